//! Which task store hosts an experiment: one address for all, a template with the id in it, or a map.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::protocol::ExperimentId;

const PLACEHOLDER: &str = "{experiment_id}";

/// The addresses of the task stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskStores {
    default: Option<String>,
    experiments: BTreeMap<ExperimentId, String>,
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not a URL of a server.
    #[error("{url:?} is no address of a server: {reason}")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl TaskStores {
    /// Every experiment at one address, in which `{experiment_id}` stands for the experiment's id.
    ///
    /// # Errors
    /// When it is not `http://` and a host.
    pub fn at(url: &str) -> Result<Self, AddressError> {
        Self::default().with_default(url)
    }

    /// The same for every experiment that has no address of its own.
    ///
    /// # Errors
    /// As for [`TaskStores::at`].
    pub fn with_default(mut self, url: &str) -> Result<Self, AddressError> {
        // An experiment id is valid anywhere in a URL.
        check_address(&url.replace(PLACEHOLDER, "exp_0"))?;
        self.default = Some(url.to_owned());
        Ok(self)
    }

    /// One experiment at an address of its own; `{experiment_id}` is replaced in it too.
    ///
    /// # Errors
    /// As for [`TaskStores::at`].
    pub fn with_experiment(mut self, id: ExperimentId, url: &str) -> Result<Self, AddressError> {
        let url = url.replace(PLACEHOLDER, id.as_str());
        check_address(&url)?;
        self.experiments.insert(id, url);
        Ok(self)
    }

    /// The address of the task store of an experiment, if there is one.
    pub fn address(&self, id: &ExperimentId) -> Option<String> {
        let own = self.experiments.get(id).cloned();
        own.or_else(|| Some(self.default.as_ref()?.replace(PLACEHOLDER, id.as_str())))
    }

    /// Whether no experiment has an address.
    pub fn is_empty(&self) -> bool {
        self.default.is_none() && self.experiments.is_empty()
    }
}

/// Checks an address of a task store or a control plane.
///
/// # Errors
/// When it is not `http://` and a host, without credentials or query.
pub fn check_address(url: &str) -> Result<(), AddressError> {
    let refused = |reason: &str| AddressError::Address {
        url: redacted(url),
        reason: reason.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
    match parsed.scheme() {
        "http" => {}
        "https" => {
            return Err(refused(
                "this build speaks http only; reach it inside the cluster or through a proxy that speaks TLS",
            ));
        }
        _ => return Err(refused("it must begin with http://")),
    }
    if parsed.username() != "" || parsed.password().is_some() {
        return Err(refused("it must not hold a user or password"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(refused("it must end before any ? or #"));
    }
    Ok(())
}

/// The address without what may be a secret.
fn redacted(url: &str) -> String {
    match url.split(['?', '#']).next() {
        Some(before) if !url.contains('@') => before.to_owned(),
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> ExperimentId {
        format!("exp_{}", digit.to_string().repeat(26)).parse().expect("an id")
    }

    #[test]
    fn an_experiment_has_its_own_address_before_the_templates() -> Result<(), AddressError> {
        let stores = TaskStores::at("http://ts-{experiment_id}:8080/")?.with_experiment(id('1'), "http://one:1")?;
        assert_eq!(stores.address(&id('1')).as_deref(), Some("http://one:1"));
        let templated = format!("http://ts-{}:8080/", id('2'));
        assert_eq!(stores.address(&id('2')), Some(templated));
        let mapped = TaskStores::default().with_experiment(id('1'), "http://ts-{experiment_id}:1")?;
        assert_eq!(mapped.address(&id('1')), Some(format!("http://ts-{}:1", id('1'))));
        assert_eq!(mapped.address(&id('2')), None);
        Ok(())
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_secrets() {
        for bad in [
            "",
            "localhost:8080",
            "ftp://h",
            "https://h",
            "http://",
            "http://h/?a=b",
            "http://u:hunter2@h",
            "http:u:hunter2@h",
            "u:hunter2@h",
            "http://h/?token=hunter2",
        ] {
            let error = TaskStores::at(bad).expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
