//! The program as another process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use secrecy::SecretString;
use switchboard::client::{Bearer, Client};
use switchboard::protocol::*;
use tempfile::NamedTempFile;

/// A running `switchboard`, killed when it is dropped.
pub struct Program {
    pub child: Child,
    pub announced: BTreeMap<String, String>,
    stdout: BufReader<ChildStdout>,
    stderr: NamedTempFile,
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts everything on free ports and reads what is announced, up to the sign-in link.
    pub fn start(dir: &Path, more: &[&str]) -> Self {
        let args = [&["--port", "0", "--backend-port", "0"], more].concat();
        Self::announcing("SWITCHBOARD_SIGNIN", dir, &args)
    }

    /// Starts the backend alone on a free port.
    pub fn backend(dir: &Path, more: &[&str]) -> Self {
        let args = [&["backend", "--port", "0"], more].concat();
        Self::announcing("EDEN_CONTROL_PLANE_LISTENING", dir, &args)
    }

    /// Starts a console alone on a free port, for servers that run elsewhere.
    pub fn serve(credentials: &Path, more: &[&str]) -> Self {
        let args = [&["serve", "--port", "0"], more].concat();
        let mut command = command(&args);
        command.arg("--credential-dir").arg(credentials);
        Self::spawned("EDEN_WEB_UI_LISTENING", command)
    }

    fn announcing(last: &str, dir: &Path, args: &[&str]) -> Self {
        let mut command = command(args);
        command.arg("--data-dir").arg(dir);
        Self::spawned(last, command)
    }

    fn spawned(last: &str, mut command: Command) -> Self {
        let stderr = NamedTempFile::new().expect("a file for its log");
        let mut child = command
            .stderr(stderr.reopen().expect("the file again"))
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("its stdout"));
        let mut program = Self {
            child,
            announced: BTreeMap::new(),
            stdout,
            stderr,
        };
        while !program.announced.contains_key(last) {
            let line = program.line();
            let (name, rest) = line.split_once(' ').expect("a name and its values");
            program.announced.insert(name.to_owned(), rest.to_owned());
        }
        program
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).expect("its stdout");
        assert_ne!(read, 0, "the program ended: {}", self.log());
        line.trim_end().to_owned()
    }

    /// Ends it as a supervisor would; what it wrote to stdout since it was announced, and what it logged.
    pub fn end(mut self) -> (String, String) {
        self.signal("-TERM");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", self.log());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).expect("its stdout");
        (rest, self.log())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.stderr.path()).expect("its log")
    }

    pub fn port(&self, name: &str) -> u16 {
        let values = &self.announced[name];
        let port = values.strip_prefix("host=127.0.0.1 port=").expect("host and port");
        port.parse().expect("a port")
    }

    pub fn client(&self, dir: &Path) -> Client {
        let token = std::fs::read_to_string(dir.join("admin-token")).expect("the admin token");
        let base = format!("http://127.0.0.1:{}", self.port("EDEN_TASK_STORE_LISTENING"));
        Client::new(&base, Bearer::new(Actor::Admin, SecretString::from(token.trim()))).expect("a client")
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Without warning.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
