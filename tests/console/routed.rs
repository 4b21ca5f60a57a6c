//! One server per experiment, as the reference has it: three backends of our own as processes, of which one is only the
//! control plane, and the console finds the task stores by the map of its file.

use std::path::Path;

use switchboard::client::Client;
use switchboard::clock::Clock;
use switchboard::protocol::*;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::program::Program;
use crate::support::{CONFIG, Lab};

const SWITCHES: usize = 40;

struct Store {
    program: Program,
    lab: Lab,
    _dir: TempDir,
}

impl Store {
    /// A task store that hosts one experiment with one task that says whose it is.
    async fn start(id: &ExperimentId, config: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config.to_str().expect("UTF-8");
        let args = [
            "--experiment-id",
            id.as_str(),
            "--experiment-config",
            config,
            "--admin-token",
            TOKEN,
        ];
        let program = Program::backend(dir.path(), &args);
        let admin = client(&program);
        let lab = Lab::cast(admin.experiment(id), Clock::default()).await;
        lab.ideation(&format!("only-in-{id}")).await;
        Self {
            program,
            lab,
            _dir: dir,
        }
    }
}

const TOKEN: &str = "an admin token that stands in no log and on no page";

fn base(program: &Program) -> String {
    format!("http://127.0.0.1:{}", program.port("EDEN_TASK_STORE_LISTENING"))
}

fn client(program: &Program) -> Client {
    let bearer = switchboard::client::Bearer::new(Actor::Admin, TOKEN.into());
    Client::new(&base(program), bearer).expect("a client")
}

#[tokio::test]
async fn the_console_switches_between_task_stores_behind_a_map() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("experiment.yaml");
    std::fs::write(&config, CONFIG).expect("written");
    let ids: [ExperimentId; 2] =
        ["exp_00000000000000000000000001", "exp_00000000000000000000000002"].map(|id| id.parse().expect("an id"));
    let stores = [
        Store::start(&ids[0], &config).await,
        Store::start(&ids[1], &config).await,
    ];
    let control = Program::backend(&dir.path().join("control"), &["--admin-token", TOKEN]);
    let admin = client(&control).control();
    for id in &ids {
        let request = RegisterExperiment {
            config_uri: "file:///experiment.yaml".to_owned(),
            name: Some(format!("Number {}", &id.as_str()[29..])),
            experiment_id: Some(id.clone()),
        };
        admin.register(&request).await.expect("registered");
    }
    let request = RegisterWorker {
        name: Some("Olga".to_owned()),
        ..RegisterWorker::default()
    };
    let (operator, secret) = admin.register_worker(&request).await.expect("an operator");
    let admins = RegisterGroup {
        name: Some("admins".to_owned()),
        members: vec![(&operator.worker_id).into()],
    };
    admin.register_group(&admins).await.expect("a group");
    let map = dir.path().join("switchboard.yaml");
    let routes = ids
        .iter()
        .zip(&stores)
        .map(|(id, store)| format!("    {id}: {}\n", base(&store.program)));
    std::fs::write(
        &map,
        format!("task_store:\n  experiments:\n{}", routes.collect::<String>()),
    )
    .expect("written");
    let credentials = dir.path().join("credentials");
    let args = [
        "--config",
        map.to_str().expect("UTF-8"),
        "--control-plane-url",
        &base(&control),
        "--admin-token",
        TOKEN,
        "--log",
        "debug",
    ];
    let console = Program::serve(&credentials, &args);

    let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
    let address = format!("http://127.0.0.1:{}", console.port("EDEN_WEB_UI_LISTENING"));
    let browser = Browser::signed_in(&address, &format!("{}:{secret}", operator.worker_id)).await;
    for turn in 0..SWITCHES {
        let (id, other) = (&ids[turn % 2], &ids[(turn + 1) % 2]);
        let next = format!("/x/{other}/admin/tasks/?state=pending");
        let page = match turn % 3 {
            0 => {
                let led = browser
                    .post(&format!("/admin/experiments/{id}/select"), &[("next", &next)])
                    .await;
                browser.follow(led).await
            }
            _ => {
                browser
                    .swap(&format!("/admin/experiments/{id}/select"), &[("next", &next)])
                    .await
            }
        };
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(
            page.body.contains(&format!("only-in-{id}")),
            "its own task: {}",
            page.body
        );
        assert!(!page.body.contains(&format!("only-in-{other}")), "and not the other's");
        for path in ["", "admin/ideas/", "admin/variants/", "admin/events/"] {
            let page = browser.get(&format!("/x/{id}/{path}")).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(!page.body.contains(&format!("only-in-{other}")), "{path}");
        }
        let bare = browser.get("/").await;
        assert_eq!(bare.header("location"), Some(format!("/x/{id}/").as_str()));
    }
    drop(browser);
    for program in [&console, &control, &stores[0].program, &stores[1].program] {
        let log = program.log();
        assert!(!log.contains(TOKEN) && !log.contains(&secret), "a secret is in a log");
        assert!(
            !log.lines().any(|line| line.contains("ERROR") || line.contains("WARN")),
            "{log}"
        );
    }
    assert!(stores.iter().all(|store| store.lab.id != operator.experiment_id));
}
