//! The program itself, as a child process with a data directory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use switchboard::client::{Bearer, Client};
use switchboard::protocol::Actor;

use crate::Outcome;

/// The program of this build.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_switchboard");

/// A running `switchboard`. Dropping it kills the process.
pub struct Binary {
    child: Child,
    pub console: SocketAddr,
    pub backend: SocketAddr,
    /// Path and query of the one-time sign-in link.
    pub sign_in: String,
    pub token: String,
}

impl Binary {
    /// Starts `switchboard up` on free ports and waits for the sign-in link, which it prints last.
    pub fn start(data_dir: &Path, demo: bool) -> Outcome<Self> {
        Self::start_program(Path::new(PROGRAM), data_dir, demo)
    }

    /// The same with another build of the program.
    pub fn start_program(program: &Path, data_dir: &Path, demo: bool) -> Outcome<Self> {
        let args = ["--port", "0", "--backend-port", "0", "--no-demo"];
        let args = if demo { &args[..4] } else { &args };
        Self::until(program, data_dir, args, |binary| !binary.sign_in.is_empty())
    }

    /// Starts the backend alone; port 0 takes a free port.
    pub fn backend(data_dir: &Path, port: u16) -> Outcome<Self> {
        let args = ["backend", "--port", &port.to_string()];
        Self::until(Path::new(PROGRAM), data_dir, &args, |binary| binary.backend.port() != 0)
    }

    fn until(program: &Path, data_dir: &Path, args: &[&str], is_ready: impl Fn(&Self) -> bool) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.args(args).args(["--log", "error", "--data-dir"]).arg(data_dir);
        let child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
        let mut child = child.map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let stdout = child.stdout.take().ok_or("the program has no stdout")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Read until the end, so that the program never blocks on a full pipe.
                let _ = sender.send(line);
            }
        });
        // From here on an early return kills the child too.
        let mut binary = Self {
            child,
            console: SocketAddr::from(([127, 0, 0, 1], 0)),
            backend: SocketAddr::from(([127, 0, 0, 1], 0)),
            sign_in: String::new(),
            token: String::new(),
        };
        while !is_ready(&binary) {
            let line = lines
                .recv_timeout(Duration::from_secs(30))
                .map_err(|_| "the program did not say where it listens")?;
            binary.parse_line(&line)?;
        }
        binary.token = fs::read_to_string(data_dir.join("admin-token"))?.trim().to_owned();
        Ok(binary)
    }

    fn parse_line(&mut self, line: &str) -> Outcome {
        if let Some(rest) = line.strip_prefix("EDEN_TASK_STORE_LISTENING host=") {
            self.backend = rest.replace(" port=", ":").parse()?;
        } else if let Some(rest) = line.strip_prefix("SWITCHBOARD_SIGNIN url=http://") {
            let (address, path) = rest.split_once('/').ok_or("the sign-in link has no path")?;
            self.console = address.parse()?;
            self.sign_in = format!("/{path}");
        }
        Ok(())
    }

    pub fn admin(&self) -> Outcome<Client> {
        let bearer = Bearer::new(Actor::Admin, self.token.clone().into());
        Ok(Client::new(&format!("http://{}", self.backend), bearer)?)
    }

    /// Resident memory in KiB.
    pub fn rss(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .ok_or("the program has no VmRSS")?;
        Ok(kib.parse()?)
    }

    /// Sends SIGTERM and waits for the exit.
    pub fn stop(mut self) -> Outcome {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
