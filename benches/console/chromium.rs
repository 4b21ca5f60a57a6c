//! A real Chromium without a window, with an empty profile.

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Outcome;
use crate::chromedriver::{Driver, Extension, MISSING};

/// A browser. Dropping it ends it.
pub struct Chromium {
    client: Client,
    // In this order: the profile is removed when nothing writes to it any more.
    _driver: Driver,
    _profile: TempDir,
}

impl Chromium {
    pub async fn start() -> Outcome<Self> {
        let driver = Driver::start().map_err(|error| format!("chromedriver does not start ({error}); {MISSING}"))?;
        let profile = tempfile::tempdir()?;
        let options = json!({ "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-sync", "--disable-background-networking", "--disable-component-update", "--window-size=1360,900",
            format!("--user-data-dir={}", profile.path().display()),
        ] } });
        let capabilities = options.as_object().cloned().unwrap_or_default();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url())
            .await
            .map_err(|error| format!("Chromium does not start ({error}); {MISSING}"))?;
        Ok(Self {
            client,
            _driver: driver,
            _profile: profile,
        })
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&self, url: &str) -> Outcome {
        Ok(self.client.goto(url).await?)
    }

    /// What the body of a function returns in the page.
    pub async fn script(&self, body: &str) -> Outcome<Value> {
        Ok(self.client.execute(body, Vec::new()).await?)
    }

    /// The result of a command of the protocol of the developer tools.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Outcome<Value> {
        Ok(self.client.issue_cmd(Extension::devtools(command, parameters)).await?)
    }

    /// Gives it a cookie, written `name=value`, for an origin that it may not have seen yet.
    pub async fn set_cookie(&self, origin: &str, cookie: &str) -> Outcome {
        let (name, value) = cookie.split_once('=').ok_or("the cookie has no value")?;
        let parameters = json!({ "name": name, "value": value, "url": origin });
        self.devtools("Network.setCookie", parameters).await?;
        Ok(())
    }
}
