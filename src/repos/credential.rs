//! The credential for the remote: from a git credential helper, or from a file.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// The source of the credential for the remote. It is read for each fetch, so that a new one needs no restart.
#[derive(Clone)]
pub enum CredentialSource {
    /// A credential helper as git has them: the path of a program with its arguments, `!` and a shell command, or the
    /// name of a helper that is installed with git.
    Helper(String),
    /// A file that only its owner may read, with `username:password` or a token.
    File(PathBuf),
}

/// A user and a password. Forges take a token as either, so neither is printed.
#[derive(Clone)]
pub(super) struct Credential {
    pub username: String,
    pub password: SecretString,
}

/// How long a helper may take.
const HELPER_TIMEOUT: Duration = Duration::from_secs(15);
/// The maximum size of a helper's answer, in bytes. It is a few lines.
const MAX_ANSWER: u64 = 64 * 1024;

// A shell command may hold the password that it prints.
impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Helper(_) => f.write_str("Helper"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    /// A token alone: forges read it from the password, whatever the user.
    pub(super) fn token(token: &str) -> Self {
        Self {
            username: "git".to_owned(),
            password: token.to_owned().into(),
        }
    }

    /// The parts that must not be shown.
    pub(super) fn secrets(&self) -> [&str; 2] {
        let password = self.password.expose_secret();
        let username = match password {
            // Here the user is the token.
            "" | "x-oauth-basic" => self.username.as_str(),
            _ => "",
        };
        [password, username]
    }

    fn parse(content: &str) -> Option<Self> {
        let content = content.trim();
        match content.split_once(':') {
            Some((username, password)) => Some(Self {
                username: username.to_owned(),
                password: password.to_owned().into(),
            }),
            None if content.is_empty() => None,
            None => Some(Self::token(content)),
        }
    }
}

impl CredentialSource {
    /// The credential for `url`.
    ///
    /// # Errors
    /// Why there is none, without anything secret.
    pub(super) async fn get(&self, url: &Url) -> Result<Credential, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                read.await.map_err(|_| "the reading broke off".to_owned())?
            }
            Self::Helper(helper) => ask_helper(helper, url, HELPER_TIMEOUT).await,
        }
    }
}

fn read_file(path: &Path) -> Result<Credential, String> {
    let fault = |why: &str| format!("the credential file {} {why}", path.display());
    let mode = fs::metadata(path).map_err(|error| fault(&format!("cannot be read: {error}")))?;
    if mode.permissions().mode() & 0o077 != 0 {
        return Err(fault("may be read by others: give it mode 0600"));
    }
    let content = fs::read_to_string(path).map_err(|error| fault(&format!("cannot be read: {error}")))?;
    Credential::parse(&content).ok_or_else(|| fault("is empty"))
}

/// Speaks git's protocol: the request on its input, the credential on its output.
async fn ask_helper(helper: &str, url: &Url, limit: Duration) -> Result<Credential, String> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let path = url.path().trim_start_matches('/');
    let question = format!("protocol={}\nhost={host}{port}\npath={path}\n\n", url.scheme());
    let fault = |why: &str| format!("the credential helper {why}");

    let mut child = command(helper)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Its error messages may hold secrets.
        .stderr(Stdio::null())
        .env("GIT_TERMINAL_PROMPT", "0")
        // So that its children can be killed with it.
        .process_group(0)
        .spawn()
        .map_err(|error| fault(&format!("cannot be started: {error}")))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(fault("has no pipes"));
    };
    let running = RunningHelper(Some(child));
    let talk = tokio::task::spawn_blocking(move || {
        let mut stdin = stdin;
        // A helper that does not read its input may still answer.
        let _ = stdin.write_all(question.as_bytes());
        drop(stdin);
        let mut answer = String::new();
        stdout.take(MAX_ANSWER).read_to_string(&mut answer).map(|_| answer)
    });
    let answer = match tokio::time::timeout(limit, talk).await {
        Err(_) => {
            running.kill_group();
            return Err(fault("gave no answer in time"));
        }
        Ok(Ok(Ok(answer))) => answer,
        Ok(_) => return Err(fault("gave an answer that is no text")),
    };
    drop(running);
    let value = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key));
    match value("password=") {
        Some(password) if !password.is_empty() => Ok(Credential {
            username: value("username=").unwrap_or("git").to_owned(),
            password: password.to_owned().into(),
        }),
        _ => Err(fault("has no credential for this remote")),
    }
}

fn command(helper: &str) -> Command {
    let shell = |line: String| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(line);
        command
    };
    if let Some(line) = helper.strip_prefix('!') {
        shell(format!("{line} get"))
    } else if helper.contains('/') && Path::new(helper).exists() {
        // The path may hold blanks.
        let mut command = Command::new(helper);
        command.arg("get");
        command
    } else if helper.starts_with('/') {
        shell(format!("{helper} get"))
    } else {
        shell(format!("git credential-{helper} get"))
    }
}

/// A helper that is killed when this is dropped.
struct RunningHelper(Option<Child>);

impl RunningHelper {
    /// Kills it and its children, which would keep its output open and the reading thread busy.
    fn kill_group(&self) {
        let Some(child) = &self.0 else { return };
        let group = format!("kill -KILL -{}", child.id());
        // The standard library cannot signal a group. Without a shell only the helper is killed, when this is dropped.
        let _ = Command::new("sh").arg("-c").arg(group).stderr(Stdio::null()).status();
    }
}

impl Drop for RunningHelper {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // Now, since the reading thread is busy until it ends. It fails if the helper has ended, which is as good.
        let _ = child.kill();
        // It stays in the process table as a zombie until it is waited for.
        tokio::task::spawn_blocking(move || child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_file::write_private;

    fn url() -> Url {
        Url::parse("http://h:3000/org/x.git").expect("a URL")
    }

    #[tokio::test]
    async fn a_helper_is_asked_in_gits_protocol() {
        let dir = tempfile::tempdir().expect("a directory");
        let asked = dir.path().join("asked");
        let helper = format!(
            "!f() {{ (echo $1; cat) > {}; echo username=bot; echo password=p=w; }}; f",
            asked.display()
        );
        let credential = CredentialSource::Helper(helper)
            .get(&url())
            .await
            .expect("a credential");
        assert_eq!(credential.username, "bot");
        assert_eq!(credential.password.expose_secret(), "p=w");
        let asked = fs::read_to_string(asked).expect("what it read");
        assert_eq!(asked, "get\nprotocol=http\nhost=h:3000\npath=org/x.git\n\n");
    }

    #[tokio::test]
    async fn a_helper_without_an_answer_is_said_and_not_waited_for() {
        let without = ask_helper("!true", &url(), HELPER_TIMEOUT).await.expect_err("none");
        assert!(without.contains("has no credential"), "{without}");
        let hung = ask_helper("!tail -f /dev/null; true", &url(), Duration::from_millis(50)).await;
        assert!(hung.expect_err("none").contains("in time"));
    }

    #[tokio::test]
    async fn a_credential_file_is_private_and_may_hold_a_token() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("credential");
        let source = CredentialSource::File(path.clone());
        write_private(&path, b"bot:p:w\n").expect("written");
        let credential = source.get(&url()).await.expect("a credential");
        assert_eq!(
            (credential.username.as_str(), credential.password.expose_secret()),
            ("bot", "p:w")
        );
        write_private(&path, b"token\n").expect("written");
        assert_eq!(source.get(&url()).await.expect("one").password.expose_secret(), "token");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("opened");
        assert!(source.get(&url()).await.expect_err("refused").contains("0600"));
        assert!(!format!("{credential:?}").contains("bot"));
    }
}
