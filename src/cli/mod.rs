//! The command line: from what was typed ([`Args`]) to what is used ([`Config`]).

mod args;
mod config;
mod error;
mod file;

pub use args::Args;
pub use config::{
    AuthenticationConfig, BackendConfig, Config, ConsoleConfig, DeploymentConfig, Limits, LogConfig, ReposConfig, Run,
    SeedConfig, ServeConfig, Storage,
};
pub use error::UsageError;
