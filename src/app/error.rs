use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::access::AddressError;
use crate::client::ClientError;
use crate::protocol::ExperimentId;
use crate::{demo, embedded, repos};

/// Why the program cannot start or go on. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The port is taken, or the address is not of this machine.
    #[error("cannot listen on {address}: {source}; choose another port with {flag}, or 0 for a free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The option that changes it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use {path}: {source}")]
    DataDirectory {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The embedded backend cannot be opened.
    #[error(transparent)]
    Backend(#[from] embedded::OpenError),
    /// The configuration of an experiment to host cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    SeedFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An experiment cannot be hosted.
    #[error("cannot host experiment {id} with {}: {source}", path.display())]
    Seed {
        /// Its id.
        id: ExperimentId,
        /// The file with its configuration.
        path: PathBuf,
        /// Why.
        source: ClientError,
    },
    /// It is not an address of a server.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The client of the embedded backend cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The repositories of experiments cannot be set up.
    #[error(transparent)]
    Repos(#[from] repos::SetupError),
    /// The demo experiments cannot be set up.
    #[error("cannot start the demo: {0}")]
    Demo(#[from] demo::DemoError),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// An essential task has ended.
    #[error("{0}")]
    Ended(String),
}
