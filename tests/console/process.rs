//! The program itself: what it prints, how it fails to start, how it ends, and what it survives.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::time::{Duration, Instant};

use switchboard::client::Client;
use switchboard::protocol::*;

use crate::console::until;
use crate::program::{Program, command};
use crate::support::log_that_agrees;

/// Exit code and stderr of a start that fails.
fn fails(args: &[&str]) -> (Option<i32>, String) {
    let output = command(args).output().expect("the program runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one line: {stderr}");
    (output.status.code(), stderr)
}

#[test]
fn a_start_that_fails_says_why_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).to_str().expect("a path in UTF-8").to_owned();

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let (code, words) = fails(&["--data-dir", &path("a"), "--port", &port, "--backend-port", "0"]);
    assert_eq!(code, Some(1));
    assert!(
        words.contains("cannot listen on") && words.contains("--port"),
        "{words}"
    );
    assert!(
        !dir.path().join("a").exists(),
        "nothing is written before the sockets are ours"
    );

    std::fs::write(dir.path().join("file"), "not a directory").expect("a file");
    let (code, words) = fails(&["--data-dir", &path("file/below"), "--port", "0", "--backend-port", "0"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("cannot use"), "{words}");

    std::fs::create_dir(dir.path().join("corrupt")).expect("a directory");
    std::fs::write(
        dir.path().join("corrupt/switchboard.db"),
        "this is no database, and long enough to tell",
    )
    .expect("a file");
    let (code, words) = fails(&["--data-dir", &path("corrupt"), "--port", "0", "--backend-port", "0"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("switchboard.db"), "{words}");

    let running = Program::start(&dir.path().join("busy"), &["--no-demo"]);
    let (code, words) = fails(&["--data-dir", &path("busy"), "--port", "0", "--backend-port", "0"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("busy"), "{words}");
    drop(running);
}

#[tokio::test]
async fn it_announces_itself_and_ends_when_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut program = Program::start(dir.path(), &["--no-demo"]);
    assert_eq!(
        program.port("EDEN_TASK_STORE_LISTENING"),
        program.port("EDEN_CONTROL_PLANE_LISTENING")
    );
    let link = format!(
        "url=http://127.0.0.1:{}/signin?token=",
        program.port("EDEN_WEB_UI_LISTENING")
    );
    let first = program.announced["SWITCHBOARD_SIGNIN"].clone();
    assert!(first.starts_with(&link), "{first}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("admin-token"))
            .expect("the token")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    program.signal("-USR1");
    let again = program.line();
    assert!(
        again.starts_with(&format!("SWITCHBOARD_SIGNIN {link}")) && !again.ends_with(&first),
        "{again}"
    );

    // An open stream does not hold it up.
    let mut watched = program.client(dir.path()).control().watch().await.expect("a stream");
    futures_util::StreamExt::next(&mut watched)
        .await
        .expect("it opens")
        .expect("it opens");
    program.signal("-TERM");
    let begin = Instant::now();
    let status = program.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn ephemeral_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = command(&["--ephemeral", "--no-demo", "--port", "0", "--backend-port", "0"])
        .env("TMPDIR", dir.path())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut line = String::new();
    while !line.contains("SWITCHBOARD_SIGNIN") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).expect("its stdout"), 0, "the program ended");
    }
    assert_eq!(dir.path().read_dir().expect("the directory").count(), 1);
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(dir.path().read_dir().expect("the directory").count(), 0);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("its stdout");
    assert_eq!(rest, "", "stdout holds the announced lines only");
}

/// The whole program with its demo, killed without warning ten times on one data directory.
#[tokio::test]
async fn ten_kills_lose_no_event_and_the_demo_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut logs: BTreeMap<ExperimentId, Vec<Event>> = BTreeMap::new();
    for round in 0..=10 {
        let program = Program::start(dir.path(), &[]);
        let client = program.client(dir.path());
        for (id, known) in &logs {
            let now = log_that_agrees(&client.experiment(id)).await;
            assert_eq!(
                &now[..known.len()],
                known,
                "round {round}: what was acknowledged is still there"
            );
        }
        let before: usize = logs.values().map(Vec::len).sum();
        // A moment nobody chose: after some progress, wherever the pilot then is.
        let progress = async || {
            logs = hosted_logs(&client).await;
            let now: usize = logs.values().map(Vec::len).sum();
            (now > before + 3 + round % 4).then_some(())
        };
        until("the demo's next events", progress).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..400))).await;
        program.kill();
    }
    assert!(logs.len() >= 3, "the demo runs its experiments");
}

async fn hosted_logs(client: &Client) -> BTreeMap<ExperimentId, Vec<Event>> {
    let mut logs = BTreeMap::new();
    for entry in client.control().experiments().await.expect("the registry") {
        let experiment = client.experiment(&entry.experiment_id);
        if let Ok(batch) = experiment.events(0, None).await {
            logs.insert(entry.experiment_id, batch.events);
        }
    }
    logs
}

#[test]
fn a_blank_variable_is_an_unset_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = command(&["backend", "--insecure-no-auth", "--port", "0", "--data-dir"])
        .arg(dir.path())
        .envs(
            [
                "EDEN_ADMIN_TOKEN",
                "EDEN_BASE_COMMIT_SHA",
                "SWITCHBOARD_REPO_ROOT",
                "SWITCHBOARD_LOG",
            ]
            .map(|name| (name, "")),
        )
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    stdout.read_line(&mut line).expect("its stdout");
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(line.starts_with("EDEN_TASK_STORE_LISTENING"), "{line}");
}

#[test]
fn it_ends_when_told_though_nobody_reads_its_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = command(&["backend", "--port", "0", "--data-dir"])
        .arg(dir.path())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    stdout.read_line(&mut line).expect("its stdout");
    // Closes both pipes on the reader's side.
    drop((stdout, child.stderr.take()));
    let status = Command::new("kill").arg(child.id().to_string()).status();
    assert!(status.expect("kill runs").success());
    let begin = Instant::now();
    let ended = loop {
        match child.try_wait().expect("its end") {
            None if begin.elapsed() < Duration::from_secs(20) => std::thread::sleep(Duration::from_millis(10)),
            ended => break ended,
        }
    };
    child.kill().expect("gone or killed");
    child.wait().expect("gone");
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

#[test]
fn a_console_starts_whatever_its_remote_is_and_repeats_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("repos/x.git");
    let path = path.to_str().expect("a path in UTF-8");
    let id = "exp_00000000000000000000000001";
    let args = ["--task-store-url", "http://127.0.0.1:9", "--experiment-id", id];
    for remote in ["https://bot:canary@h/o/x.git", "http://bot:canary@127.0.0.1:9/o/x.git"] {
        let more = ["--host", "localhost", "--repo-path", path, "--forgejo-url", remote];
        let program = Program::serve(&dir.path().join("credentials"), &[&args[..], &more].concat());
        let log = program.log();
        assert_eq!(log.contains("without TLS"), remote.starts_with("https"), "{log}");
        assert!(!log.contains("canary"), "{log}");
    }
    let (code, words) = fails(&["serve", "--task-store-url", "http:bot:canary@h", "--experiment-id", id]);
    assert!(code != Some(0) && !words.contains("canary"), "{words}");
    let secrets = ["EDEN_FORGEJO_URL", "EDEN_CREDENTIAL_HELPER", "EDEN_TASK_STORE_URL"];
    let help = command(&["serve", "--help"])
        .envs(secrets.map(|name| (name, "http://bot:canary@h/x.git")))
        .output()
        .expect("the program runs");
    let help = String::from_utf8(help.stdout).expect("text");
    assert!(help.contains("EDEN_FORGEJO_URL") && !help.contains("canary"), "{help}");
}
