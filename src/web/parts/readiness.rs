//! What an experiment needs to be worked on from here, and what is missing of it.

use maud::{Markup, html};

use crate::access::CredentialState;
use crate::live::{Hosting, RegistryRow};
use crate::repos::RepoState;
use crate::web::ui::{Mark, state};

/// One thing that is needed.
struct Need {
    what: &'static str,
    /// `Err` says why it is not there.
    met: Result<&'static str, String>,
    /// Whether nothing at all can be shown without it.
    vital: bool,
}

/// All that is needed.
pub(crate) struct Readiness(Vec<Need>);

/// Judges an experiment by what the registry's feed found out, and by the state of its repository.
pub(crate) fn readiness(row: &RegistryRow, repo: Option<RepoState>) -> Readiness {
    let need = |what, met, vital| Need { what, met, vital };
    if row.credential == CredentialState::NoAddress {
        let met = Err("no address is configured for it".to_owned());
        return Readiness(vec![need("task store", met, true)]);
    }
    let credential = match row.credential {
        CredentialState::Verified => Ok("in use"),
        CredentialState::Stored => Ok("kept"),
        CredentialState::ToBeRegistered => Ok("made on the first look"),
        CredentialState::Missing => Err("none is kept, and there is no admin token to make one with".to_owned()),
        // Told above.
        CredentialState::NoAddress => Ok("not needed"),
    };
    let seeded = match &row.hosting {
        Hosting::Hosted(_) => Ok("seeded"),
        Hosting::NotHosted => Err("the task store does not host it yet".to_owned()),
        Hosting::Elsewhere => Err("its task store hosts other experiments".to_owned()),
        Hosting::Unknown(cause) => Err(cause.message.clone()),
    };
    Readiness(vec![
        need("credential", credential, true),
        need("seeded", seeded, row.hosting == Hosting::Elsewhere),
        need("configuration", row.config.clone().map(|()| "known"), false),
        need("repository", repository(row, repo), false),
    ])
}

/// Nobody looks for the repository of what is not there.
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
    /// Why the experiment cannot be worked on at all.
    pub fn obstacle(&self) -> Option<&str> {
        let lacking = self.0.iter().find(|need| need.vital && need.met.is_err());
        lacking.and_then(|need| need.met.as_ref().err().map(String::as_str))
    }

    /// One mark a need, and what is missing in words; what the control plane warns of stands below.
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
                            (state(if need.vital { Mark::Cross } else { Mark::PendingHollow }, need.what))
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
    fn only_what_nothing_can_be_shown_without_stands_in_the_way() {
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
