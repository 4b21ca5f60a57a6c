//! The program that drives Chromium, and the commands that only it has.

use std::io::{BufRead, BufReader, Error, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use poem::http::Method;
use reqwest::Url;
use serde_json::{Value, json};

/// What to do when it does not start.
pub const MISSING: &str = "Chromium and its driver are needed: install the packages `chromium` and `chromium-driver`, so \
    that `chromium` and `chromedriver` are on the PATH";

/// A running chromedriver. Its end ends its browsers.
pub struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    pub fn start() -> std::io::Result<Self> {
        let process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        // From here on an early return ends the process too.
        let mut driver = Self { process, port: 0 };
        let stdout = driver.process.stdout.take().ok_or(Error::other("it has no output"))?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        driver.port = port.ok_or(Error::other("it does not say its port"))?;
        // It must not block on, or die of, an output that nobody reads.
        std::thread::spawn(move || lines.count());
        Ok(driver)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks it to end its browsers and then itself, which a signal would not.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            socket,
            "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )?;
        socket.read_to_end(&mut Vec::new()).map(drop)
    }

    fn has_ended(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.shut_down().is_err() || !self.has_ended() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// A command of chromedriver's own.
#[derive(Debug)]
pub struct Extension {
    pub path: &'static str,
    pub parameters: Value,
}

impl Extension {
    /// A command of the protocol of Chromium's developer tools.
    pub fn devtools(command: &str, parameters: Value) -> Self {
        Self {
            path: "goog/cdp/execute",
            parameters: json!({ "cmd": command, "params": parameters }),
        }
    }
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.parameters.to_string()))
    }
}
