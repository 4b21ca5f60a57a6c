//! What became of forms that were sent: a form sent twice is carried out once.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maud::{Markup, html};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::context::Context;
use super::session::Operator;
use crate::client::ClientError;
use crate::live::{Freshness, UnavailabilityKind};
use crate::protocol::{ExperimentId, GroupId, WorkerId};

/// How long a write may take before its outcome counts as open.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is remembered of a write. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A secret was made for this worker and shown.
    Secret(WorkerId),
    /// This group was created.
    Group(GroupId),
    /// This experiment was registered.
    Experiment(ExperimentId),
    /// It was carried out, and the page to go to says so.
    Done,
    /// Whether it was carried out is not known.
    Open,
}

/// The place of one form: empty until it is carried out. Held by whoever does.
type Turn = OwnedMutexGuard<Option<Kept>>;

/// A form as it was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled<'a> {
    /// The id that it was drawn with.
    pub request_id: &'a str,
    /// What was typed into it, field by field.
    pub typed: &'a [&'a str],
}

/// Forms remembered an operator.
const REMEMBERED: usize = 128;
/// Operators remembered; their sessions are not known here.
const OPERATORS: usize = 256;
/// The longest id that a form of ours has.
const ID_MAX: usize = 64;

/// What a form does, its own id, and what was typed into it: a browser may bring back a form of earlier, and who then types
/// something else has filled another one.
type Key = (String, String, u64);
type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// The last forms of each operator.
#[derive(Default)]
pub(crate) struct Once(Mutex<Forms>);

#[derive(Default)]
struct Forms {
    of: HashMap<Operator, VecDeque<(Key, Slot)>>,
    /// Who came first goes first.
    order: VecDeque<Operator>,
}

impl Once {
    /// Waits for whoever is carrying out the same form. A form without an id is its own.
    async fn turn(&self, operator: &Operator, action: &str, form: Filled<'_>) -> Turn {
        let slot = if form.request_id.is_empty() || form.request_id.len() > ID_MAX {
            Slot::default()
        } else {
            let mut typed = DefaultHasher::new();
            form.typed.hash(&mut typed);
            self.slot(
                operator,
                (action.to_owned(), form.request_id.to_owned(), typed.finish()),
            )
        };
        slot.lock_owned().await
    }

    fn slot(&self, operator: &Operator, key: Key) -> Slot {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !forms.of.contains_key(operator) {
            if forms.order.len() == OPERATORS
                && let Some(first) = forms.order.pop_front()
            {
                forms.of.remove(&first);
            }
            forms.order.push_back(operator.clone());
        }
        let own = forms.of.entry(operator.clone()).or_default();
        if let Some((_, slot)) = own.iter().find(|(known, _)| *known == key) {
            return slot.clone();
        }
        if own.len() == REMEMBERED {
            own.pop_front();
        }
        let slot = Slot::default();
        own.push_back((key, slot.clone()));
        slot
    }
}

/// What became of a write.
pub(crate) enum Sent<T> {
    /// It was carried out.
    Done(T),
    /// The same form came before; this is what became of it then. Nothing was sent now.
    Before(Kept),
    /// It was not carried out.
    Refused(ClientError),
    /// Whether it was carried out is not known.
    Open(ClientError),
}

impl Context {
    /// That a write may be sent: the server is not known to be away. What a page shows during an outage is old, and who
    /// changes something on the strength of it should not have to wait to be told so.
    ///
    /// # Errors
    /// [`ClientError::NotSent`], with the reason.
    pub fn may_write(&self) -> Result<(), ClientError> {
        match self.freshness() {
            Freshness::Stale { cause, .. } if cause.kind == UnavailabilityKind::Unreachable => {
                Err(ClientError::NotSent(cause.message))
            }
            _ => Ok(()),
        }
    }

    /// Carries a form out, unless the same one was before. It is carried through even if the browser goes away, so
    /// that what is remembered is what happened.
    pub async fn carry_out<T: Send + 'static>(
        &self,
        action: &str,
        form: Filled<'_>,
        keep: fn(&T) -> Kept,
        write: impl Future<Output = Result<T, ClientError>> + Send + 'static,
    ) -> Sent<T> {
        let mut turn = self.console.once.turn(self.operator(), action, form).await;
        if let Some(kept) = turn.as_ref() {
            return Sent::Before(kept.clone());
        }
        if let Err(error) = self.may_write() {
            return Sent::Refused(error);
        }
        let (tell, told) = oneshot::channel();
        self.console.tasks.spawn("write", async move {
            *turn = Some(Kept::Open);
            let written = tokio::time::timeout(PATIENCE, write)
                .await
                .unwrap_or(Err(ClientError::Late));
            *turn = match &written {
                Ok(written) => Some(keep(written)),
                Err(error) if error.leaves_open() => Some(Kept::Open),
                Err(_) => None,
            };
            // Nobody may be left to be told.
            let _ = tell.send(written);
        });
        match told.await {
            Ok(Ok(written)) => Sent::Done(written),
            Ok(Err(error)) if !error.leaves_open() => Sent::Refused(error),
            Ok(Err(error)) => Sent::Open(error),
            Err(_) => Sent::Open(ClientError::Late),
        }
    }
}

/// The hidden part of a form that is to be carried out once, however often it is sent: 128 random bits.
pub(crate) fn once() -> Markup {
    html! { input type="hidden" name="request_id" value=(format!("{:032x}", rand::random::<u128>())) autocomplete="off"; }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn turn(once: &Once, operator: &Operator, action: &str, request_id: &str) -> Turn {
        let typed: &[&str] = &["same"];
        once.turn(operator, action, Filled { request_id, typed }).await
    }

    #[tokio::test]
    async fn a_form_is_remembered_by_operator_action_and_id_and_not_for_ever() {
        let once = Once::default();
        let ada = Operator::Link;
        let bob = Operator::Worker {
            id: "wkr_00000000000000000000000000".parse().expect("an id"),
            name: None,
            experiment: None,
        };
        *turn(&once, &ada, "/a", "1").await = Some(Kept::Done);
        assert_eq!(*turn(&once, &ada, "/a", "1").await, Some(Kept::Done));
        for (operator, action, id) in [
            (&bob, "/a", "1"),
            (&ada, "/b", "1"),
            (&ada, "/a", "2"),
            (&ada, "/a", ""),
        ] {
            assert_eq!(
                *turn(&once, operator, action, id).await,
                None,
                "{operator:?} {action} {id}"
            );
        }
        *turn(&once, &ada, "/a", "").await = Some(Kept::Done);
        assert_eq!(
            *turn(&once, &ada, "/a", "").await,
            None,
            "forms without an id are not one form"
        );
        for n in 0..REMEMBERED {
            drop(turn(&once, &ada, "/c", &n.to_string()).await);
        }
        assert_eq!(*turn(&once, &ada, "/a", "1").await, None);
        assert_eq!(once.0.lock().expect("whole").of[&ada].len(), REMEMBERED);
    }

    #[tokio::test]
    async fn a_form_that_comes_back_with_something_else_in_it_is_another_form() {
        let once = Once::default();
        let form = |typed| Filled { request_id: "1", typed };
        *once.turn(&Operator::Link, "/a", form(&["first", "x"])).await = Some(Kept::Done);
        assert_eq!(
            *once.turn(&Operator::Link, "/a", form(&["first", "x"])).await,
            Some(Kept::Done)
        );
        for typed in [&["second", "x"], &["first", ""], &["firstx", ""]] {
            assert_eq!(*once.turn(&Operator::Link, "/a", form(typed)).await, None, "{typed:?}");
        }
    }
}
