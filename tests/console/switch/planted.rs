//! A deployment with secrets that only the tests know, wherever a secret can be.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use switchboard::client::{Bearer, Client};
use switchboard::clock::Clock;
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;

use super::Line;
use crate::program::Program;
use crate::support::{CONFIG, Lab, sha};

pub const STORE_TOKEN: &str = "canary-of-the-task-store's-admin";
pub const CONTROL_TOKEN: &str = "canary-of-the-control-plane's-admin";
pub const WRONG_TOKEN: &str = "canary-that-no-server-takes-as-admin";
pub const SESSION_SECRET: &str = "canary-of-the-session-cookies-long-enough-to-be-taken";
pub const TYPED_WRONG: &str = "canary-typed-by-an-operator-and-wrong";
pub const HELPERS: &str = "canary-that-a-credential-helper-says";
pub const IN_REMOTE: &str = "canary-in-the-remote";
pub const IN_CONFIG: &str = "canary-in-an-environment";

pub fn client(program: &Program, token: &str) -> Client {
    let base = format!("http://127.0.0.1:{}", program.port("EDEN_TASK_STORE_LISTENING"));
    Client::new(&base, Bearer::new(Actor::Admin, token.into())).expect("a client")
}

/// The secrets in the files of a console.
pub fn kept(dir: &Path, secrets: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        if entry.path().is_dir() {
            kept(&entry.path(), secrets);
        } else if entry.file_name() == "worker.json" {
            let text = std::fs::read_to_string(entry.path()).expect("read");
            let stored: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            secrets.push(stored["token"].as_str().expect("a token").to_owned());
        }
    }
}

/// Both servers, as programs that log all they can, and the ways there.
pub struct Servers {
    pub store: Program,
    pub control: Program,
    pub to_store: Line,
    pub to_control: Line,
    pub lab: Lab,
}

impl Servers {
    pub async fn start(dir: &Path, tasks: &Tasks) -> Self {
        let id = "exp_00000000000000000000000001";
        let config = dir.join("experiment.yaml");
        let with_secret = format!("{CONFIG}ideation_environment: {{API_KEY: {IN_CONFIG}}}\n");
        std::fs::write(&config, with_secret).expect("written");
        let config = config.to_str().expect("UTF-8");
        let args = [
            "--experiment-id",
            id,
            "--experiment-config",
            config,
            "--admin-token",
            STORE_TOKEN,
            "--log",
            "trace",
        ];
        let store = Program::backend(&dir.join("store"), &args);
        let control = Program::backend(
            &dir.join("control"),
            &["--admin-token", CONTROL_TOKEN, "--log", "trace"],
        );
        let id: ExperimentId = id.parse().expect("an id");
        let lab = Lab::cast(client(&store, STORE_TOKEN).experiment(&id), Clock::default()).await;
        lab.ideation("t-1").await;
        lab.worker.create_idea(&lab.idea("idea-1")).await.expect("an idea");
        let variant = Variant {
            kind: Some("baseline".to_owned()),
            status: VariantStatus::Success,
            idea_id: None,
            commit_sha: Some(sha('0')),
            branch: None,
            completed_at: Some(Clock::default().now()),
            evaluation: serde_json::json!({"score": 0.5, "retries": 0}).as_object().cloned(),
            ..lab.variant("v-1", "none")
        };
        lab.orchestrator.create_variant(&variant).await.expect("a variant");
        let request = RegisterExperiment {
            config_uri: "file:///experiment.yaml".to_owned(),
            name: Some("Canaries".to_owned()),
            experiment_id: Some(id),
        };
        let admin = client(&control, CONTROL_TOKEN).control();
        admin.register(&request).await.expect("registered");
        let base = |program: &Program| format!("http://127.0.0.1:{}", program.port("EDEN_TASK_STORE_LISTENING"));
        Self {
            to_store: Line::to(&base(&store), tasks).await,
            to_control: Line::to(&base(&control), tasks).await,
            store,
            control,
            lab,
        }
    }
}

/// A git credential helper with a secret.
pub fn helper(dir: &Path) -> String {
    let path = dir.join("helper");
    std::fs::write(
        &path,
        format!("#!/bin/sh\ncat >/dev/null\nprintf 'username=bot\\npassword={HELPERS}\\n'\n"),
    )
    .expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("executable");
    path.to_str().expect("UTF-8").to_owned()
}
