//! A Chromium of our own, and what an operator does with it.

use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions, MouseActions, PointerAction};
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chromedriver::{Driver, Extension, MISSING};

/// How long a page may take to become what is expected of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A browser with an empty profile.
pub struct Browser {
    client: Client,
    base: String,
    // In this order: the profile goes when nothing writes to it any more.
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// A browser whose paths are those of `base`.
    pub async fn start(base: &str) -> Self {
        Self::with(base, json!({})).await
    }

    /// The same for somebody who has switched JavaScript off.
    pub async fn without_javascript(base: &str) -> Self {
        let browser = Self::with(
            base,
            json!({ "profile.managed_default_content_settings.javascript": 2 }),
        )
        .await;
        let page = "data:text/html,<title>off</title><script>document.title='on'</script>";
        browser.client.goto(page).await.expect("a page");
        assert_eq!(browser.client.title().await.expect("a title"), "off", "JavaScript runs");
        browser
    }

    async fn with(base: &str, preferences: Value) -> Self {
        let driver = Driver::start().unwrap_or_else(|error| panic!("chromedriver does not start ({error}); {MISSING}"));
        let profile = tempfile::tempdir().expect("a directory");
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let capabilities = json!({
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                    "--disable-quic", "--disable-sync", "--disable-background-networking", "--disable-component-update",
                    "--disable-search-engine-choice-screen", "--window-size=1360,900", user_data,
                ],
                "prefs": preferences,
            },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written as one above")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url())
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start ({error}); {MISSING}"));
        Self {
            client,
            base: base.to_owned(),
            _driver: driver,
            _profile: profile,
        }
    }

    /// Opens a path of the console.
    pub async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.expect("a page");
    }

    /// Path and query of the address bar.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("an address");
        url.query()
            .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    pub async fn back(&self) {
        self.client.back().await.expect("history");
    }

    pub async fn reload(&self) {
        self.client.refresh().await.expect("a page");
    }

    /// Forgets every cookie, as when the session ends elsewhere.
    pub async fn forget_cookies(&self) {
        self.client.delete_all_cookies().await.expect("no cookies");
    }

    /// What the body of a function returns.
    pub async fn js(&self, body: &str) -> Value {
        self.client
            .execute(body, Vec::new())
            .await
            .unwrap_or_else(|error| panic!("`{body}` fails: {error}"))
    }

    pub async fn text(&self, expression: &str) -> String {
        match self.js(&format!("return {expression}")).await {
            Value::String(text) => text,
            other => panic!("`{expression}` is {other}, not text"),
        }
    }

    pub async fn holds(&self, expression: &str) -> bool {
        self.js(&format!("return Boolean({expression})")).await == Value::Bool(true)
    }

    /// Waits until an expression holds, and returns how long that took.
    pub async fn until(&self, expression: &str) -> Duration {
        self.within(PATIENCE, expression).await
    }

    pub async fn within(&self, limit: Duration, expression: &str) -> Duration {
        let begin = Instant::now();
        loop {
            // Between two documents there is nothing to ask, which is no answer.
            let answer = self
                .client
                .execute(&format!("return Boolean({expression})"), Vec::new())
                .await;
            if matches!(answer, Ok(Value::Bool(true))) {
                return begin.elapsed();
            }
            if begin.elapsed() > limit {
                let shown = self.client.execute("return document.body?.innerText", Vec::new()).await;
                panic!(
                    "not within {limit:?}: {expression}\nat {}: {answer:?}\n{shown:#?}",
                    self.path().await
                );
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    pub async fn click(&self, css: &str) {
        let element = self
            .client
            .find(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("{css}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Fills a field with other text.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self
            .client
            .find(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("{css}: {error}"));
        element.clear().await.expect("a field");
        element.send_keys(text).await.expect("a field");
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let actions = keys
            .chars()
            .fold(KeyActions::new("keyboard".to_owned()), |keys, value| {
                keys.then(KeyAction::Down { value }).then(KeyAction::Up { value })
            });
        self.client.perform_actions(actions).await.expect("keys");
    }

    pub async fn window(&self) -> WindowHandle {
        self.client.window().await.expect("a window")
    }

    /// Opens another window, of the same session, and turns to it. Both can be seen.
    pub async fn new_window(&self) -> WindowHandle {
        self.open_window(false).await
    }

    /// Opens another tab, of the same session, and turns to it. It hides the one turned from.
    pub async fn new_tab(&self) -> WindowHandle {
        self.open_window(true).await
    }

    async fn open_window(&self, as_tab: bool) -> WindowHandle {
        let before = self.client.windows().await.expect("windows");
        self.client.new_window(as_tab).await.expect("a window");
        let after = self.client.windows().await.expect("windows");
        let new = after
            .into_iter()
            .find(|window| !before.contains(window))
            .expect("one more");
        self.turn_to(&new).await;
        new
    }

    pub async fn turn_to(&self, window: &WindowHandle) {
        self.client.switch_to_window(window.clone()).await.expect("a window");
    }

    /// Closes the window turned to.
    pub async fn close(&self) {
        self.client.close_window().await.expect("a window");
    }

    /// Moves the pointer to the middle of an element.
    pub async fn point_at(&self, css: &str) {
        let element = self
            .client
            .find(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("{css}: {error}"));
        let to = PointerAction::MoveToElement {
            element,
            duration: None,
            x: 0.0,
            y: 0.0,
        };
        let actions = MouseActions::new("mouse".to_owned()).then(to);
        self.client.perform_actions(actions).await.expect("a pointer");
    }

    /// Gives the page a width, however narrow, which a window manager would not.
    pub async fn resize(&self, width: u32) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        let command = Extension::devtools("Emulation.setDeviceMetricsOverride", metrics);
        self.client.issue_cmd(command).await.expect("a width");
    }

    /// What the browser's console was told since the last time of asking: script errors, violations of the content
    /// security policy, failed loads.
    pub async fn complaints(&self) -> Vec<String> {
        let parameters = json!({ "type": "browser" });
        let log = self
            .client
            .issue_cmd(Extension {
                path: "se/log",
                parameters,
            })
            .await
            .expect("a log");
        let entries = log.as_array().expect("a list");
        entries
            .iter()
            .map(|entry| format!("{}: {}", entry["level"], entry["message"]))
            .collect()
    }
}
