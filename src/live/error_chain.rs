use std::error::Error;
use std::iter::successors;

/// An error and its causes in one line, for the log.
pub(super) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let errors = successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
