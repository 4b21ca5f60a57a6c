//! A browser as far as a server can tell: it keeps its cookie, says where it comes from, and follows when told to.

use std::sync::Mutex;

use crate::console::Page;

pub struct Browser {
    http: reqwest::Client,
    base: String,
    cookie: Mutex<Option<String>>,
}

impl Browser {
    /// Nobody's.
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        Self {
            http: http.expect("an HTTP client"),
            base: base.to_owned(),
            cookie: Mutex::default(),
        }
    }

    /// Somebody's who signed in with an EDEN credential.
    pub async fn signed_in(base: &str, credential: &str) -> Self {
        let browser = Self::new(base);
        let page = browser.post("/signin", &[("credential", credential)]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        browser
    }

    /// Somebody's who came by a one-time link.
    pub async fn by_link(base: &str, link: &str) -> Self {
        let browser = Self::new(base);
        let page = browser.get(link).await;
        assert_eq!(page.status, 303, "{}", page.body);
        browser
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.send(self.form(path, form)).await
    }

    /// What htmx does when the answer is to replace `<main>`.
    pub async fn swap(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.send(Self::partial(self.form(path, form))).await
    }

    /// The same by GET, as a boosted link does.
    pub async fn swap_in(&self, path: &str) -> Page {
        self.send(Self::partial(self.http.get(self.url(path)))).await
    }

    /// What htmx does for a region that keeps itself up to date.
    pub async fn region(&self, path: &str, region: &str) -> Page {
        let request = self.http.get(self.url(path));
        let request = request
            .header("hx-request", "true")
            .header("hx-request-type", "partial");
        self.send(request.header("hx-target", format!("section#region-{region}")))
            .await
    }

    /// A form with parts, as the page that seeds sends it; `htmx` sends what htmx would.
    pub async fn post_parts(&self, path: &str, parts: &[(&str, &str)], htmx: bool) -> Page {
        let part = |(name, value): &(&str, &str)| {
            format!("--bound\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body: String = parts.iter().map(part).chain(["--bound--\r\n".to_owned()]).collect();
        let request = self.http.post(self.url(path)).body(body);
        let request = request.header("content-type", "multipart/form-data; boundary=bound");
        self.send(if htmx { Self::partial(request) } else { request }).await
    }

    /// The cookie as it is sent.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().expect("whole").clone()
    }

    /// Goes where an answer leads, if it leads anywhere.
    pub async fn follow(&self, page: Page) -> Page {
        let to = page
            .header("location")
            .or_else(|| page.header("hx-redirect"))
            .map(str::to_owned);
        match to {
            Some(to) => self.get(&to).await,
            None => page,
        }
    }

    fn form(&self, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body = serde_urlencoded::to_string(form).expect("a form");
        self.http
            .post(self.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    fn partial(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request
            .header("hx-request", "true")
            .header("hx-request-type", "partial")
            .header("hx-target", "main#main")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Page {
        request = request.header("sec-fetch-site", "same-origin");
        if let Some(cookie) = self.cookie.lock().expect("whole").clone() {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.expect("the console answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if let Some(set) = headers.get("set-cookie") {
            let pair = set
                .to_str()
                .expect("text")
                .split(';')
                .next()
                .expect("a cookie")
                .to_owned();
            *self.cookie.lock().expect("whole") = Some(pair);
        }
        let body = response.text().await.expect("a whole answer");
        Page { status, headers, body }
    }
}
