//! Secrets that only the tests know are everywhere that a secret can be; then everything that came out is searched.

use secrecy::ExposeSecret;
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;
use switchboard::web::{Answer, RouteInfo, routes};

use super::net::Net;
use super::planted::*;
use super::{Ask, BOTH, How, Line, send, visit};
use crate::browser::Browser;
use crate::console::until;
use crate::gateway::Fault;
use crate::program::{Program, command};
use crate::roles::{credential, worker};

/// Every page, with htmx and without, as it is now.
async fn walk(net: &Net, browser: &Browser, id: &ExperimentId, operator: &WorkerId, when: &str) {
    let is_read = |route: &RouteInfo| route.method == "GET" && !matches!(route.answer, Answer::Stream | Answer::Files);
    for RouteInfo { pattern, .. } in routes().filter(is_read) {
        let path = pattern
            .replace(":experiment", id.as_str())
            .replace(":task", "t-1")
            .replace(":idea", "idea-1")
            .replace(":variant", "v-1")
            .replace(":name", "Canaries")
            .replace(":worker", operator.as_str())
            .replace(":group", "grp_00000000000000000000000000")
            .replace("*rest", "t-1/");
        for htmx in [false, true] {
            let page = if htmx {
                browser.swap_in(&path).await
            } else {
                browser.get(&path).await
            };
            assert_ne!(page.status, 500, "{when}: {path}: {}", page.body);
            net.page(&format!("{when}: {path}"), &page);
        }
        net.page(
            &format!("{when}: {path}: region"),
            &browser.region(&path, "fault").await,
        );
    }
}

#[tokio::test]
async fn no_secret_comes_out_anywhere() {
    let (tasks, scratch, net) = (Tasks::new(), tempfile::tempdir().expect("a directory"), Net::default());
    let dir = scratch.path();
    let servers = Servers::start(dir, &tasks).await;
    // A forge that takes nobody in.
    let forge = Line::to("http://127.0.0.1:9", &tasks).await;
    forge.gateway.fail(Fault::Page(401), |_, _| true);
    let userinfo = format!("bot:{IN_REMOTE}@");
    let remote = forge.proxy.base().replace("http://", &format!("http://{userinfo}")) + "/org/x.git";
    let (helper, credentials) = (helper(dir), dir.join("credentials"));
    let serve = |store_token: &str, control_token: &str, below: &str, remote: &[&str]| {
        let (store, control) = (servers.to_store.proxy.base(), servers.to_control.proxy.base());
        let repos = dir.join(below).join("repos");
        let args = [
            "--task-store-url",
            &store,
            "--control-plane-url",
            &control,
            "--admin-token",
            store_token,
            "--control-plane-admin-token",
            control_token,
            "--session-secret",
            SESSION_SECRET,
            "--repo-root",
            repos.to_str().expect("UTF-8"),
            "--log",
            "trace",
        ];
        Program::serve(&credentials.join(below), &[&args[..], remote].concat())
    };
    let console = serve(STORE_TOKEN, CONTROL_TOKEN, "good", &["--forgejo-url", &remote]);
    let plain_remote = forge.proxy.base() + "/org/x.git";
    let wrong = serve(
        WRONG_TOKEN,
        WRONG_TOKEN,
        "wrong",
        &["--forgejo-url", &plain_remote, "--credential-helper", &helper],
    );
    let helped = serve(
        STORE_TOKEN,
        CONTROL_TOKEN,
        "helped",
        &["--forgejo-url", &plain_remote, "--credential-helper", &helper],
    );

    let control = client(&servers.control, CONTROL_TOKEN).control();
    let (operator, good) = worker(&control, "Olga").await;
    let admins = RegisterGroup {
        name: Some("admins".to_owned()),
        members: vec![(&operator).into()],
    };
    control.register_group(&admins).await.expect("a group");
    let secret_of = |credential: &str| credential.split_once(':').expect("a credential").1.to_owned();
    let mut secrets: Vec<String> = [
        STORE_TOKEN,
        CONTROL_TOKEN,
        WRONG_TOKEN,
        SESSION_SECRET,
        TYPED_WRONG,
        HELPERS,
        IN_REMOTE,
        IN_CONFIG,
    ]
    .map(str::to_owned)
    .to_vec();
    secrets.push(secret_of(&good));
    let id = servers.lab.id.clone();
    let address = |program: &Program| format!("http://127.0.0.1:{}", program.port("EDEN_WEB_UI_LISTENING"));
    let mut shown = Vec::new();
    for (name, program) in [("console", &console), ("helped", &helped), ("wrong", &wrong)] {
        let browser = Browser::new(&address(program));
        for typed in [
            format!("{operator}:{TYPED_WRONG}"),
            TYPED_WRONG.to_owned(),
            format!("admin:{CONTROL_TOKEN}"),
        ] {
            let page = browser.post("/signin", &[("credential", &typed), ("next", "/")]).await;
            net.page(&format!("{name}: a wrong credential"), &page);
        }
        net.page(name, &browser.get(&format!("/nowhere/{id}?a=b")).await);
        let page = browser.post("/signin", &[("credential", &good), ("next", "/")]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        net.page(name, &page);
        walk(&net, &browser, &id, &operator, name).await;
        if name == "wrong" {
            continue;
        }
        // The repository is asked for until it is known that it is refused.
        let variant = format!("/x/{id}/admin/variants/v-1/");
        until("the refusal of the forge", async || {
            let page = visit(&browser, &variant, Ask::Plain).await;
            net.page(name, &page);
            page.body.contains("refuse").then_some(())
        })
        .await;
        for ask in BOTH {
            let form = [
                ("name", "Ada"),
                ("labels", "a=b"),
                ("request_id", if ask == Ask::Plain { "one" } else { "two" }),
            ];
            let page = send(&browser, "/admin/control/workers/", &form, ask).await;
            let secret = page.texts("#secret").pop().expect("it is shown once");
            net.page(&format!("{name}: shows {secret}"), &page);
            shown.push(secret);
            net.page(name, &send(&browser, "/admin/control/workers/", &form, ask).await);
            let form = [("name", "\u{7}"), ("config_uri", "no uri"), ("csrf_token", TYPED_WRONG)];
            net.page(name, &send(&browser, "/admin/experiments/register", &form, ask).await);
        }
        for how in [
            How::Cut,
            How::Says(Fault::Problem(401, "unauthorized")),
            How::Says(Fault::Page(500)),
            How::Says(Fault::Garbage),
        ] {
            for line in [&servers.to_store, &servers.to_control] {
                line.fail(how);
                walk(&net, &browser, &id, &operator, &format!("{name}, {how:?}")).await;
                line.heal();
            }
        }
        until("all is well again", async || {
            let page = browser.get("/admin/experiments/").await;
            (page.status == 200).then_some(())
        })
        .await;
        // The console's own credential is replaced under it.
        let own = servers
            .lab
            .admin
            .registry()
            .workers_named("switchboard")
            .await
            .expect("a list");
        kept(&credentials, &mut secrets);
        for worker in own {
            let secret = servers
                .lab
                .admin
                .reissue_credential(&worker.worker_id)
                .await
                .expect("reissued");
            secrets.push(secret_of(&credential(&worker.worker_id, &secret)));
            assert!(!secret.expose_secret().is_empty());
        }
        until("a good credential", async || {
            let page = browser.get(&format!("/x/{id}/admin/tasks/")).await;
            (page.attributes("#freshness", "data-freshness") == ["live"]).then_some(())
        })
        .await;
        walk(&net, &browser, &id, &operator, name).await;
        net.page(name, &browser.post("/signout", &[]).await);
    }
    kept(&credentials, &mut secrets);
    for (name, line) in [
        ("store", &servers.to_store),
        ("control", &servers.to_control),
        ("forge", &forge),
    ] {
        let asked = line.gateway.take_requests();
        assert!(!asked.is_empty(), "{name} was asked for nothing");
        net.keep(&format!("addresses at the {name}"), asked.join("\n"));
    }
    for (name, program) in [
        ("console", console),
        ("helped", helped),
        ("wrong", wrong),
        ("store", servers.store),
        ("control", servers.control),
    ] {
        let (stdout, log) = program.end();
        if matches!(name, "console" | "helped") {
            // That of the push streams, which carry the bearer too.
            assert!(
                log.contains("TRACE") && log.contains("ReconnectingRequest"),
                "{name} logs all it can"
            );
        }
        net.keep(&format!("stdout of {name}"), stdout);
        log.lines()
            .for_each(|line| net.keep(&format!("log of {name}"), line.to_owned()));
    }
    secrets.extend(shown);
    secrets.sort();
    secrets.dedup();
    assert!(
        secrets.len() >= 14 && secrets.iter().all(|secret| secret.len() > 12),
        "{}",
        secrets.len()
    );
    let holes = net.holes(&secrets, |place, secret| place.ends_with(&format!("shows {secret}")));
    assert!(
        holes.is_empty(),
        "{} places:\n{}",
        holes.len(),
        holes[..holes.len().min(12)].join("\n\n")
    );
}

#[test]
fn help_prints_no_secret_of_the_environment() {
    const SECRETS: [&str; 3] = [
        "EDEN_ADMIN_TOKEN",
        "EDEN_CONTROL_PLANE_ADMIN_TOKEN",
        "EDEN_SESSION_SECRET",
    ];
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["up", "--help"],
        &["backend", "--help"],
        &["serve", "-h"],
        &["serve", "--nonsense"],
    ] {
        let mut command = command(args);
        for name in SECRETS {
            command.env(name, STORE_TOKEN);
        }
        command.env(
            "EDEN_FORGEJO_URL",
            format!("http://bot:{IN_REMOTE}@forge.example/org/x.git"),
        );
        let output = command.output().expect("it runs");
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).expect("text");
            assert!(
                !text.contains(STORE_TOKEN) && !text.contains(IN_REMOTE),
                "{args:?}: {text}"
            );
        }
    }
}
