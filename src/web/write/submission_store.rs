//! What became of forms that were submitted, so that a form submitted twice is carried out once.
//!
//! A form's idempotency key is its action, the `request_id` that it was drawn with, and what was typed into it. The store
//! knows operators and keys, and no request.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::web::auth::Operator;

/// Submissions remembered of one operator.
const REMEMBERED: usize = 128;
/// Operators remembered.
const OPERATORS: usize = 256;
/// The longest `request_id` that a form of the console has.
const ID_MAX: usize = 64;

/// A form as it was submitted.
#[derive(Debug, Clone)]
pub(crate) struct Submission<'a> {
    /// The path that it was submitted to.
    pub action: &'a str,
    /// The id that it was drawn with; empty when it has none, and then every submission is its own.
    pub request_id: &'a str,
    /// What was typed into it, field by field.
    pub typed: Vec<&'a str>,
}

/// What is remembered of a submission. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RememberedOutcome {
    /// It was carried out. The id of what it made, as on the wire; empty when it made nothing.
    Done(String),
    /// Whether it was carried out is not known.
    Unknown,
}

/// The place of one submission, held by the request that carries it out; empty until it has.
pub(crate) type SubmissionGuard = OwnedMutexGuard<Option<RememberedOutcome>>;

/// Action, `request_id` and a hash of what was typed: a browser may bring back an old form, and when something else is
/// typed into it then, it is another form.
type Key = (String, String, u64);
type Slot = Arc<tokio::sync::Mutex<Option<RememberedOutcome>>>;

/// The last submissions of each operator, in memory.
#[derive(Default)]
pub(crate) struct SubmissionStore(Mutex<Submissions>);

#[derive(Default)]
struct Submissions {
    by_operator: HashMap<Operator, VecDeque<(Key, Slot)>>,
    /// The operator who came first is forgotten first.
    order: VecDeque<Operator>,
}

impl SubmissionStore {
    /// The place of a submission; waits while another request carries out the same one.
    pub async fn lock(&self, operator: &Operator, submission: Submission<'_>) -> SubmissionGuard {
        let Submission {
            action,
            request_id,
            typed,
        } = submission;
        let slot = if request_id.is_empty() || request_id.len() > ID_MAX {
            Slot::default()
        } else {
            let mut hash = DefaultHasher::new();
            typed.hash(&mut hash);
            self.slot(operator, (action.to_owned(), request_id.to_owned(), hash.finish()))
        };
        slot.lock_owned().await
    }

    fn slot(&self, operator: &Operator, key: Key) -> Slot {
        let mut submissions = self.0.lock();
        if !submissions.by_operator.contains_key(operator) {
            if submissions.order.len() == OPERATORS
                && let Some(first) = submissions.order.pop_front()
            {
                submissions.by_operator.remove(&first);
            }
            submissions.order.push_back(operator.clone());
        }
        let own = submissions.by_operator.entry(operator.clone()).or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn lock(store: &SubmissionStore, operator: &Operator, action: &str, request_id: &str) -> SubmissionGuard {
        let submission = Submission {
            action,
            request_id,
            typed: vec!["same"],
        };
        store.lock(operator, submission).await
    }

    fn done() -> Option<RememberedOutcome> {
        Some(RememberedOutcome::Done(String::new()))
    }

    #[tokio::test]
    async fn a_form_is_remembered_by_operator_action_and_id_and_not_for_ever() {
        let store = SubmissionStore::default();
        let ada = Operator::Link;
        let bob = Operator::Worker {
            id: "wkr_00000000000000000000000000".parse().expect("an id"),
            name: None,
            experiment: None,
        };
        *lock(&store, &ada, "/a", "1").await = done();
        assert_eq!(*lock(&store, &ada, "/a", "1").await, done());
        for (operator, action, id) in [
            (&bob, "/a", "1"),
            (&ada, "/b", "1"),
            (&ada, "/a", "2"),
            (&ada, "/a", ""),
        ] {
            assert_eq!(
                *lock(&store, operator, action, id).await,
                None,
                "{operator:?} {action} {id}"
            );
        }
        *lock(&store, &ada, "/a", "").await = done();
        assert_eq!(
            *lock(&store, &ada, "/a", "").await,
            None,
            "forms without an id are not one form"
        );
        for n in 0..REMEMBERED {
            drop(lock(&store, &ada, "/c", &n.to_string()).await);
        }
        assert_eq!(*lock(&store, &ada, "/a", "1").await, None);
        assert_eq!(store.0.lock().by_operator[&ada].len(), REMEMBERED);
    }

    #[tokio::test]
    async fn a_form_that_comes_back_with_something_else_in_it_is_another_form() {
        let store = SubmissionStore::default();
        let form = |typed: &[&'static str]| Submission {
            action: "/a",
            request_id: "1",
            typed: typed.to_vec(),
        };
        *store.lock(&Operator::Link, form(&["first", "x"])).await = done();
        assert_eq!(*store.lock(&Operator::Link, form(&["first", "x"])).await, done());
        for typed in [&["second", "x"], &["first", ""], &["firstx", ""]] {
            assert_eq!(*store.lock(&Operator::Link, form(typed)).await, None, "{typed:?}");
        }
    }
}
