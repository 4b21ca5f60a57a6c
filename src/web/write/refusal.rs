//! Why a write does not count as carried out: a status, and words beside the fields or above the form.

use poem::http::StatusCode;

use crate::client::ClientError;
use crate::web::upstream::Upstream;

/// What is wrong with a form: beside its fields, and with it as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FormErrors {
    /// With the form as a whole.
    pub form: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl FormErrors {
    /// A fault of the form as a whole.
    pub fn of_form(words: impl Into<String>) -> Self {
        Self {
            form: Some(words.into()),
            fields: Vec::new(),
        }
    }

    /// A fault of one field, by its name.
    pub fn of_field(field: &'static str, words: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(field, words);
        faults
    }

    /// One more fault of a field.
    pub fn add(&mut self, field: &'static str, words: impl Into<String>) {
        self.fields.push((field, words.into()));
    }

    /// One more fault of a field, where checking it found one.
    pub fn add_error<T>(&mut self, field: &'static str, checked: Result<T, impl std::fmt::Display>) {
        if let Err(fault) = checked {
            self.add(field, fault.to_string());
        }
    }

    /// What is wrong with a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, words)| words.as_str())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.form.is_none() && self.fields.is_empty()
    }
}

/// Why a write does not count as carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// What to say, and where.
    pub faults: FormErrors,
}

impl Refusal {
    /// A refusal that is said above the form.
    pub fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self {
            status,
            faults: FormErrors::of_form(words),
        }
    }

    /// The form itself is wrong; nothing was sent.
    pub fn invalid(faults: FormErrors) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            faults,
        }
    }

    /// The server found fault with one field.
    pub fn of_field(field: &'static str, words: impl Into<String>) -> Self {
        Self::invalid(FormErrors::of_field(field, words))
    }

    /// Nothing was sent, since it takes the admin token and the console has none.
    pub fn without_token(upstream: Upstream) -> Self {
        let (what, helps) = upstream.needs_token();
        Self::new(StatusCode::CONFLICT, format!("Nothing was changed. {what}. {helps}"))
    }

    /// The server refused it, or it was not sent.
    pub fn of(upstream: Upstream, error: &ClientError) -> Self {
        match error.status() {
            Some(status @ 400..=499) if status != 401 && status != 403 => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("{} refused: {error}. Nothing was changed.", upstream.name()),
            ),
            _ => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("Nothing was changed: {}.", upstream.why(error)),
            ),
        }
    }

    /// Whether it was carried out is not known. `whether` completes "Whether …", `check` says what to look at. Without an
    /// error it was an earlier submission of the form whose outcome is not known, and nothing was sent now.
    pub fn unknown(upstream: Upstream, error: Option<&ClientError>, whether: &str, check: &str) -> Self {
        match error {
            Some(error) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("Whether {whether} is not known: {}. {check}", upstream.why(error)),
            ),
            None => Self::new(
                StatusCode::CONFLICT,
                format!(
                    "This form came before, and was not sent on again. Whether {whether} the first time is not known. {check}"
                ),
            ),
        }
    }
}
