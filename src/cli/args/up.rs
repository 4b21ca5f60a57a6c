//! `switchboard up`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args as ClapArgs;
use clap::builder::FalseyValueParser;

use super::shared::{ConsoleArgs, StorageArgs, host, non_blank};
use crate::cli::config::{AuthenticationConfig, BackendConfig, ConsoleConfig, DeploymentConfig, Run};

#[derive(Debug, ClapArgs)]
pub(super) struct UpArgs {
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    console: ConsoleArgs,
    /// Address to listen on, console and backend alike
    #[arg(long, env = "SWITCHBOARD_HOST", value_name = "HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = host)]
    host: IpAddr,
    /// Port of the console; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_PORT", default_value_t = 8090)]
    port: u16,
    /// Port of the task store and control plane; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_BACKEND_PORT", default_value_t = 8080)]
    backend_port: u16,
    /// Do not start the demo experiments
    #[arg(long, env = "SWITCHBOARD_NO_DEMO", value_parser = FalseyValueParser::new())]
    no_demo: bool,
}

impl UpArgs {
    pub(super) fn into_run(self) -> Run {
        let console = ConsoleConfig {
            listen: SocketAddr::new(self.host, self.port),
            demo: !self.no_demo,
            mirror_budget_bytes: self.console.mirror_budget_bytes,
            metrics_token: non_blank(self.console.metrics_token),
        };
        let backend = BackendConfig {
            listen: SocketAddr::new(self.host, self.backend_port),
            seeds: Vec::new(),
            authentication: AuthenticationConfig::StoredToken,
            limits: None,
            repo_root: None,
            artifacts_dir: None,
        };
        Run::Deployment(Box::new(DeploymentConfig {
            storage: self.storage.into(),
            backend,
            console: Some(console),
        }))
    }
}
