use std::sync::Arc;

use tokio::sync::Semaphore;

use super::support::{Manner, branches};
use super::*;
use crate::private_file::write_private;

#[tokio::test]
async fn a_clone_is_made_once_and_follows_its_remote() {
    let world = World::new();
    let (source, server) = (world.source(&id('a')), world.server().await);
    let seed = source.commit("main", None, "a.txt", b"1\n");
    let work = source.commit("work/v-1", Some(&seed), "a.txt", b"2\n");
    let repos = world.repos(world.options(Some(&server.base)));
    assert!(matches!(repos.state(&id('a')), RepoState::NotYetCloned));

    let handle = repos.open(&id('a')).await.expect("cloned");
    assert_eq!(handle.fetched(), Some(world.clock.now()));
    assert_eq!(branches(handle.path()), ["main", "work/v-1"]);
    let git = git2::Repository::open_bare(handle.path()).expect("a repository");
    assert_eq!(git.head().expect("a head").shorthand().expect("a name"), "main");
    assert!(matches!(repos.state(&id('a')), RepoState::Cloned { fetched: Some(_) }));
    assert_eq!(
        names(&world.root()),
        [format!("{}.git", id('a')), format!("{}.git.lock", id('a'))]
    );

    // Fresh enough, and then not.
    let asked = server.asked();
    repos.open(&id('a')).await.expect("there");
    assert_eq!(server.asked(), asked);
    source.remove("work/v-1");
    let next = source.commit("work/v-1/a", Some(&work), "b.txt", b"3\n");
    world.clock.advance(LONG);
    let handle = repos.open(&id('a')).await.expect("fetched");
    assert_eq!(branches(handle.path()), ["main", "work/v-1/a"]);
    assert!(handle.holds(&next).await.expect("read"));
    assert!(
        handle.holds(&work).await.expect("read"),
        "what a branch no longer names is kept"
    );
    assert_eq!(server.packs(), 2);

    // Nothing new needs no pack.
    world.clock.advance(LONG);
    repos.open(&id('a')).await.expect("fetched");
    assert_eq!(server.packs(), 2);
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_asked_for_and_one_that_is_costs_nothing() {
    let world = World::new();
    let (source, server) = (world.source(&id('a')), world.server().await);
    let seed = source.commit("main", None, "a.txt", b"1\n");
    let repos = world.repos(world.options(Some(&server.base)));
    repos.open_with(&id('a'), &seed).await.expect("cloned");
    let asked = server.asked();
    world.clock.advance(LONG);
    repos.open_with(&id('a'), &seed).await.expect("there");
    assert_eq!(server.asked(), asked, "nobody was asked");
    let next = source.commit("work/v-1", Some(&seed), "a.txt", b"2\n");
    repos.open_with(&id('a'), &next).await.expect("fetched");

    let nowhere: CommitSha = "1".repeat(40).parse().expect("a name");
    world.clock.advance(Duration::from_secs(6));
    let asked = server.asked();
    for _ in 0..3 {
        let missing = repos.open_with(&id('a'), &nowhere).await.expect_err("nowhere");
        assert!(
            matches!(missing, RepoError::NoSuchCommit { fetched: Some(_), .. }),
            "{missing}"
        );
    }
    assert_eq!(server.asked(), asked + 1, "asked once, not at each view");
}

#[tokio::test]
async fn failures_are_told_apart_remembered_and_got_over() {
    let world = World::new();
    let (source, server) = (world.source(&id('a')), world.server().await);
    source.commit("main", None, "a.txt", b"1\n");
    let mut options = world.options(Some(&server.base));
    options.network.silence = Duration::from_millis(300);
    let repos = world.repos(options);
    let manners = [
        (Manner::Status(401), RemoteFault::Refused),
        (Manner::Status(403), RemoteFault::Refused),
        (Manner::Status(404), RemoteFault::NoSuchRepository),
        (Manner::Status(302), RemoteFault::Broken),
        (Manner::Status(502), RemoteFault::Unreachable),
        (Manner::Page, RemoteFault::Broken),
        (Manner::Complain("not today".into()), RemoteFault::Broken),
        (Manner::Wait(Arc::new(Semaphore::new(0))), RemoteFault::Unreachable),
        (Manner::Half, RemoteFault::Unreachable),
    ];
    let since = world.clock.now();
    for (manner, expected) in manners {
        server.behave(manner);
        assert_eq!(fault(&repos, &id('a')).await, expected);
        let asked = server.asked();
        assert_eq!(fault(&repos, &id('a')).await, expected);
        assert_eq!(server.asked(), asked, "a dead remote is not asked at each view");
        assert!(matches!(repos.state(&id('a')), RepoState::Failed { since: at, fetched: None, .. } if at == since));
        world.clock.advance(LONG);
    }
    server.behave(Manner::Serve);
    let handle = repos.open(&id('a')).await.expect("cloned at last");
    assert!(handle.stale().is_none());
    assert_eq!(fault(&repos, &id('b')).await, RemoteFault::NoSuchRepository);

    // With a clone it is served, and says why it may be old.
    let fetched = world.clock.now();
    world.clock.advance(LONG);
    server.behave(Manner::Status(503));
    let handle = repos.open(&id('a')).await.expect("served");
    assert_eq!(handle.fetched(), Some(fetched));
    let stale = handle.stale().expect("stale");
    assert_eq!(stale.since, world.clock.now());
    assert!(stale.error.to_string().contains("503"), "{}", stale.error);
    assert!(matches!(
        repos.state(&id('a')),
        RepoState::Failed { fetched: Some(_), .. }
    ));
}

#[tokio::test]
async fn a_remote_that_nobody_listens_at_is_unreachable() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let gone = format!("http://{}/org/x.git", listener.local_addr().expect("bound"));
    drop(listener);
    let repos = world.repos(world.options(Some(&gone)));
    assert_eq!(fault(&repos, &id('a')).await, RemoteFault::Unreachable);
    let none = world.repos(world.options(Some(&format!("{}/none/x.git", world.sources().display()))));
    assert_eq!(fault(&none, &id('b')).await, RemoteFault::NoSuchRepository);
}

#[tokio::test]
async fn a_caller_waits_for_a_bounded_time_and_the_clone_goes_on() {
    let world = World::new();
    let (source, server) = (world.source(&id('a')), world.server().await);
    source.commit("main", None, "a.txt", b"1\n");
    let permits = Arc::new(Semaphore::new(0));
    server.behave(Manner::Wait(permits.clone()));
    let mut options = world.options(Some(&server.base));
    options.wait_timeout = Duration::from_millis(20);
    let repos = world.repos(options);
    for _ in 0..3 {
        assert!(matches!(repos.open(&id('a')).await, Err(RepoError::Pending)));
    }
    assert!(matches!(repos.state(&id('a')), RepoState::Cloning));
    assert!(repos.fetcher.is_fetching(&id('a')));
    let experiment = id('a');
    tokio::join!(repos.fetcher.fetch(&experiment, LONG), async {
        permits.add_permits(10)
    });
    repos.open(&id('a')).await.expect("cloned");
    assert_eq!(server.packs(), 1, "everybody waited for the same");
}

#[test]
fn two_processes_on_one_directory_clone_once() {
    let world = World::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let source = world.source(&id('a'));
    source.commit("main", None, "a.txt", b"1\n");
    let server = runtime.block_on(world.server());
    // Each has fetches of its own, as a process has, so only the lock on disk is between them.
    let together = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                let repos = world.repos(world.options(Some(&server.base)));
                together.wait();
                let handle = runtime.block_on(repos.open(&id('a'))).expect("cloned");
                assert_eq!(branches(handle.path()), ["main"]);
            });
        }
    });
    assert_eq!(server.packs(), 1);
}

#[tokio::test]
async fn secrets_are_shown_to_the_remote_and_to_nobody_else() {
    let world = World::new();
    let (source, server) = (world.source(&id('a')), world.server().await);
    source.commit("main", None, "a.txt", b"1\n");
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    // What other tests say first may be deaf to this subscriber; this is said here only.
    tracing::info!("listened to");

    let secret = "canary-7f3a";
    let with_user = server.base.replace("http://", &format!("http://bot:{secret}@"));
    // bot:canary-7f3a
    let shown = "Basic Ym90OmNhbmFyeS03ZjNh";
    server.behave(Manner::Complain(format!(
        "cannot read http://bot:{secret}@h/x with {secret}"
    )));
    let repos = world.repos(world.options(Some(&with_user)));
    let error = repos.open(&id('a')).await.expect_err("refused");
    let mut seen = format!(
        "{error} {error:?} {:?} {:?}",
        repos.state(&id('a')),
        repos.fetcher.options
    );
    world.clock.advance(LONG);
    server.behave(Manner::Demand(shown.to_owned()));
    let handle = repos.open(&id('a')).await.expect("cloned");

    // The same by a file, which wins, and by a helper that has none.
    let file = world.dir.path().join("credential");
    write_private(&file, format!("bot:{secret}\n").as_bytes()).expect("written");
    let mut options = world.options(Some(&server.base));
    options.credential = Some(CredentialSource::File(file));
    world.clock.advance(LONG);
    let by_file = world.repos(options.clone()).open(&id('a')).await.expect("fetched");
    assert!(by_file.stale().is_none());
    options.credential = Some(CredentialSource::Helper(format!("!echo {secret} >&2; true")));
    options.root = Some(world.dir.path().join("elsewhere"));
    let refused = world.repos(options).open(&id('a')).await.expect_err("refused");
    assert!(
        refused.to_string().contains("the credential helper has no credential"),
        "{refused}"
    );

    seen += &format!("{refused} {refused:?} {}", log.text());
    for file in ["config", "packed-refs", "HEAD", "FETCH_HEAD"] {
        seen += &std::fs::read_to_string(handle.path().join(file)).unwrap_or_default();
    }
    assert!(log.text().contains("listened to"));
    assert!(!seen.contains(secret) && !seen.contains("Ym90"), "{seen}");
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("whole")).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
