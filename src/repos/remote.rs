//! The remote of the repositories: one address for all, whose last segment is the experiment's id.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use secrecy::SecretString;

use super::credential::Credential;
use super::error::SetupError;
use crate::protocol::{ExperimentId, percent_decode};

/// The remote of every repository.
#[derive(Debug, Clone)]
pub struct Remote {
    base: Target,
    /// The user and password of the address, which is kept without them.
    pub(super) userinfo: Option<Credential>,
}

/// The remote of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Http(Url),
    Directory(PathBuf),
}

impl Remote {
    /// Reads `http://host/organisation/<anything>.git`, `file:///…/<anything>.git` or a path; what stands after the
    /// last slash is replaced by `<experiment_id>.git`.
    ///
    /// # Errors
    /// When it is https, or anything else that cannot be fetched from.
    pub fn parse(given: &str) -> Result<Self, SetupError> {
        let given = given.trim();
        if !given.contains("://") {
            // A colon before any slash is git's short form of ssh.
            let is_path = !given.is_empty() && !given.split('/').next().is_some_and(|first| first.contains(':'));
            return match is_path {
                true => Ok(Self {
                    base: Target::Directory(given.into()),
                    userinfo: None,
                }),
                false => Err(SetupError::Remote),
            };
        }
        let mut url = Url::parse(given).map_err(|_| SetupError::Remote)?;
        match url.scheme() {
            "http" => {}
            "https" => return Err(SetupError::Https),
            "file" => {
                let path = url.to_file_path().map_err(|()| SetupError::Remote)?;
                return Ok(Self {
                    base: Target::Directory(path),
                    userinfo: None,
                });
            }
            _ => return Err(SetupError::Remote),
        }
        let userinfo = userinfo(&url);
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| SetupError::Remote)?;
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self {
            base: Target::Http(url),
            userinfo,
        })
    }

    /// The remote of an experiment's repository.
    pub(super) fn target(&self, id: &ExperimentId) -> Target {
        let name = format!("{id}.git");
        match &self.base {
            Target::Http(url) => {
                let mut url = url.clone();
                let path = url.path();
                let organisation = path.rfind('/').map_or("/", |at| &path[..=at]);
                let path = format!("{organisation}{name}");
                url.set_path(&path);
                Target::Http(url)
            }
            Target::Directory(path) => Target::Directory(path.parent().unwrap_or(Path::new("")).join(name)),
        }
    }
}

fn userinfo(url: &Url) -> Option<Credential> {
    let decoded = |text: &str| percent_decode(text).and_then(|bytes| String::from_utf8(bytes).ok());
    let username = decoded(url.username())?;
    match url.password() {
        Some(password) => Some(Credential {
            username,
            password: SecretString::from(decoded(password)?),
        }),
        None if username.is_empty() => None,
        // A token alone.
        None => Some(Credential::token(&username)),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.as_str()),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn id() -> ExperimentId {
        "exp_01kjvktcgrby30fgq0x5nahyxy".parse().expect("an id")
    }

    #[test]
    fn the_last_part_of_the_address_is_the_experiments() {
        let of = |given: &str| Remote::parse(given).expect("a remote").target(&id()).to_string();
        let name = "exp_01kjvktcgrby30fgq0x5nahyxy.git";
        assert_eq!(of("http://h:3000/org/exp.git?x=1"), format!("http://h:3000/org/{name}"));
        assert_eq!(of("http://h"), format!("http://h/{name}"));
        assert_eq!(of("file:///srv/git/any.git"), format!("/srv/git/{name}"));
        assert_eq!(of("/srv/git/any.git"), format!("/srv/git/{name}"));
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_address() {
        let remote = Remote::parse("http://bot:can%2Fary@h/org/exp.git").expect("a remote");
        let shown = format!("{remote:?} {}", remote.target(&id()));
        assert!(!shown.contains("ary") && !shown.contains("bot"), "{shown}");
        let credential = remote.userinfo.expect("a credential");
        assert_eq!(credential.username, "bot");
        assert_eq!(credential.password.expose_secret(), "can/ary");
    }

    #[test]
    fn what_cannot_be_fetched_from_is_refused_without_repeating_it() {
        let refused = |given: &str| Remote::parse(given).expect_err("refused");
        assert_eq!(refused("https://u:canary@h/org/exp.git"), SetupError::Https);
        for given in ["ssh://git@h/x.git", "git@h:org/x.git", "http://", ""] {
            assert_eq!(refused(given), SetupError::Remote, "{given}");
        }
        assert!(!refused("https://u:canary@h/x.git").to_string().contains("canary"));
    }
}
