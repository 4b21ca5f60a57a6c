use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::protocol::{ConfigFaults, ExperimentId};

/// Why there is no configuration of an experiment. Each message says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    /// There is no file.
    #[error("there is no configuration of {id}: {looked_in}")]
    Missing {
        /// The experiment.
        id: ExperimentId,
        /// Where one was looked for.
        looked_in: LookedIn,
    },
    /// The file is not a valid configuration.
    #[error("{}: {}", file.display(), faults.in_one_line())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        faults: Arc<ConfigFaults>,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {source}; see that it is a file that this process may read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The fault.
        #[source]
        source: Arc<io::Error>,
    },
}

/// Where a configuration was looked for, and should be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedIn {
    /// The file that was given for this experiment.
    File(PathBuf),
    /// A directory, in which this file would be taken first.
    Directory(PathBuf),
    /// Nowhere: no directory of configurations was given.
    Nowhere,
}

impl fmt::Display for LookedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}, given by --experiment-config, is not there", file.display()),
            Self::Directory(file) => write!(f, "put one at {} (.yml and .json are taken too)", file.display()),
            Self::Nowhere => f.write_str(
                "no directory of configurations was given; name one with --experiment-config-dir, with a file \
                 <experiment_id>.yaml for each experiment",
            ),
        }
    }
}
