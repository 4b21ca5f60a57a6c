//! The file of `--config`, for what does not fit a command line.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::error::UsageError;
use crate::access::TaskStores;
use crate::protocol::{ExperimentId, from_yaml};

/// In bytes. A longer file is no configuration of a console.
const MAX_BYTES: u64 = 1024 * 1024;

/// The content of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    task_store: TaskStoreSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskStoreSection {
    /// An address, or a template of one, for every experiment that is not listed below.
    default: Option<String>,
    /// Addresses of single experiments.
    #[serde(default)]
    experiments: BTreeMap<ExperimentId, String>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, UsageError> {
        let refused = |reason: String| UsageError::File {
            path: path.to_owned(),
            reason,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| refused(error.to_string()))?
            .len();
        if length > MAX_BYTES {
            return Err(refused(format!(
                "it has {length} bytes, and at most {MAX_BYTES} make sense"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // The error names the line, and what would have been right.
        from_yaml(&text).map_err(refused)
    }

    /// The addresses of the task stores. The option wins over the default of the file.
    pub(super) fn task_stores(self, path: Option<&Path>, flag: Option<&str>) -> Result<TaskStores, UsageError> {
        let of_file = |what: String| {
            move |reason: String| UsageError::File {
                path: path.map(Path::to_owned).unwrap_or_default(),
                reason: format!("{what}: {reason}"),
            }
        };
        let mut stores = TaskStores::default();
        for (id, url) in self.task_store.experiments {
            let refused = of_file(format!("task_store.experiments.{id}"));
            stores = stores
                .with_experiment(id, &url)
                .map_err(|error| refused(error.to_string()))?;
        }
        match (flag, self.task_store.default) {
            (Some(url), _) => stores.with_default(url).map_err(|source| UsageError::Address {
                flag: "--task-store-url",
                source,
            }),
            (None, Some(url)) => {
                let refused = of_file("task_store.default".to_owned());
                stores.with_default(&url).map_err(|error| refused(error.to_string()))
            }
            (None, None) if stores.is_empty() => Err(UsageError::NoTaskStore),
            (None, None) => Ok(stores),
        }
    }
}
