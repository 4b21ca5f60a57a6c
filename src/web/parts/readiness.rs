//! The requirements for working on an experiment from this console, and which of them are not met.

use maud::{Markup, html};

use crate::access::CredentialState;
use crate::live::{Hosting, RegistryRow};
use crate::repos::RepoState;
use crate::web::ui::{Mark, state};

/// One requirement.
struct Requirement {
    what: &'static str,
    /// `Err` says why it is not met.
    met: Result<&'static str, String>,
    /// Whether no page of the experiment can be shown without it.
    blocking: bool,
}

/// How ready an experiment is, as a filter; as text, its word in the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadinessLevel {
    /// Every requirement is met.
    Ready,
    /// Its pages can be shown, but something is missing.
    Incomplete,
    /// No page of it can be shown.
    Blocked,
}

impl ReadinessLevel {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Incomplete, Self::Blocked];

    /// The level of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.to_string() == word)
    }
}

impl std::fmt::Display for ReadinessLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Incomplete => "incomplete",
            Self::Blocked => "blocked",
        })
    }
}

/// All requirements of an experiment.
pub(crate) struct Readiness(Vec<Requirement>);

/// Checks the requirements against the registry's row and the state of the repository.
pub(crate) fn readiness(row: &RegistryRow, repo: Option<RepoState>) -> Readiness {
    let requirement = |what, met, blocking| Requirement { what, met, blocking };
    if row.credential == CredentialState::NoAddress {
        let met = Err("no address is configured for it".to_owned());
        return Readiness(vec![requirement("task store", met, true)]);
    }
    let credential = match row.credential {
        CredentialState::Verified => Ok("in use"),
        CredentialState::Stored => Ok("kept"),
        CredentialState::ToBeRegistered => Ok("made on the first look"),
        CredentialState::Missing => Err("none is kept, and there is no admin token to make one with".to_owned()),
        // Returned above.
        CredentialState::NoAddress => Ok("not needed"),
    };
    let seeded = match &row.hosting {
        Hosting::Hosted(_) => Ok("seeded"),
        Hosting::NotHosted => Err("the task store does not host it yet".to_owned()),
        Hosting::Elsewhere => Err("its task store hosts other experiments".to_owned()),
        Hosting::Unknown(cause) => Err(cause.message.clone()),
    };
    Readiness(vec![
        requirement("credential", credential, true),
        requirement("seeded", seeded, row.hosting == Hosting::Elsewhere),
        requirement("configuration", row.config.clone().map(|()| "known"), false),
        requirement("repository", repository(row, repo), false),
    ])
}

/// The repository counts only for an experiment that is hosted.
fn repository(row: &RegistryRow, repo: Option<RepoState>) -> Result<&'static str, String> {
    match (&row.hosting, repo) {
        (Hosting::Hosted(_), Some(RepoState::Missing { path })) => Err(format!(
            "there is none at {}, and no --forgejo-url to clone it from",
            path.display()
        )),
        (Hosting::Hosted(_), Some(RepoState::Failed { error, .. })) => Err(error.to_string()),
        (_, None | Some(RepoState::Disabled)) => Ok("not used"),
        (_, Some(RepoState::NotYetCloned | RepoState::Cloning)) => Ok("cloned on the first look"),
        _ => Ok("here"),
    }
}

impl Readiness {
    /// Why no page of the experiment can be shown: the first blocking requirement that is not met.
    pub fn obstacle(&self) -> Option<&str> {
        let unmet = self.0.iter().find(|need| need.blocking && need.met.is_err());
        unmet.and_then(|need| need.met.as_ref().err().map(String::as_str))
    }

    /// How ready it is.
    pub fn level(&self) -> ReadinessLevel {
        match self.0.iter().all(|need| need.met.is_ok()) {
            true => ReadinessLevel::Ready,
            false if self.obstacle().is_some() => ReadinessLevel::Blocked,
            false => ReadinessLevel::Incomplete,
        }
    }

    /// A mark and a reason for each requirement that is not met; the control plane's warnings below.
    pub fn markup(&self, row: &RegistryRow) -> Markup {
        let missing: Vec<_> = self.0.iter().filter(|need| need.met.is_err()).collect();
        html! {
            div id={ "needs-" (row.id) } {
            @if missing.is_empty() {
                (state(Mark::Filled, "ready"))
            } @else {
                ul class="needs" role="list" {
                    @for need in &missing {
                        li data-need=(need.what) {
                            (state(if need.blocking { Mark::Cross } else { Mark::PendingHollow }, need.what))
                            @if let Err(why) = &need.met { " " span class="muted" { (why) } }
                        }
                    }
                }
            }
            @if let Some(entry) = &row.entry {
                @for warning in &entry.warnings { div class="warning" { (Mark::Triangle) " " (warning) } }
            }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::RegistryRow;

    #[test]
    fn only_blocking_requirements_are_an_obstacle() {
        let row = |credential, hosting| {
            RegistryRow::unregistered(
                "exp_00000000000000000000000000".parse().expect("an id"),
                hosting,
                credential,
            )
        };
        let obstacle = |row: &RegistryRow| readiness(row, None).obstacle().map(str::to_owned);
        assert_eq!(obstacle(&row(CredentialState::Stored, Hosting::NotHosted)), None);
        assert_eq!(
            obstacle(&row(CredentialState::ToBeRegistered, Hosting::NotHosted)),
            None
        );
        let missing = obstacle(&row(CredentialState::Missing, Hosting::NotHosted)).expect("an obstacle");
        assert!(missing.contains("admin token"), "{missing}");
        let elsewhere = obstacle(&row(CredentialState::Stored, Hosting::Elsewhere)).expect("an obstacle");
        assert!(elsewhere.contains("other experiments"), "{elsewhere}");
    }
}
