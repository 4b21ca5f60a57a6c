//! Options and parsers that several commands share.

use std::convert::Infallible;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use clap::builder::FalseyValueParser;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::config::Storage;

#[derive(Debug, ClapArgs)]
pub(super) struct StorageArgs {
    /// Where everything is kept: database, repositories, secrets (`admin-token` among them)
    #[arg(
        long,
        env = "SWITCHBOARD_DATA_DIR",
        default_value = "switchboard-data",
        value_name = "DIR"
    )]
    data_dir: PathBuf,
    /// Keep nothing: a temporary directory that is removed at the end; wins over --data-dir
    #[arg(long, env = "SWITCHBOARD_EPHEMERAL", value_parser = FalseyValueParser::new())]
    ephemeral: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConsoleArgs {
    /// How many bytes of experiments to keep in memory; the least recently viewed go first, and none that is being
    /// viewed
    #[arg(long, env = "SWITCHBOARD_MIRROR_BUDGET_BYTES", value_name = "BYTES", default_value_t = 1 << 30)]
    pub mirror_budget_bytes: u64,
    /// What a monitoring system shows as its bearer for /metrics; without it they are for who is signed in
    #[arg(long, env = "SWITCHBOARD_METRICS_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    pub metrics_token: Option<SecretString>,
}

impl From<StorageArgs> for Storage {
    fn from(args: StorageArgs) -> Self {
        match args.ephemeral {
            true => Self::Ephemeral,
            false => Self::Directory(args.data_dir),
        }
    }
}

pub(super) fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(text.trim().into())
}

/// An address to listen on, or a name such as `localhost`, whose IPv4 address is preferred.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found = (text, 0)
        .to_socket_addrs()
        .map_err(|error| format!("neither an address nor a name that has one: {error}"))?;
    let address = found.map(|socket| socket.ip()).min_by_key(IpAddr::is_ipv6);
    address.ok_or_else(|| "the name has no address".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
    duration.ok_or_else(|| "must be a number of seconds, 0 or more".to_owned())
}

/// A blank secret is unset: that is how a compose file passes on a variable that is not set.
pub(super) fn non_blank(secret: Option<SecretString>) -> Option<SecretString> {
    secret.filter(|secret| !secret.expose_secret().is_empty())
}
