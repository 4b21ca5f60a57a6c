use std::fs;

use super::support::branches;
use super::*;

#[tokio::test]
async fn without_a_remote_what_is_there_is_read_and_never_touched() {
    let world = World::new();
    let source = Source::new(&world.root(), &id('a'));
    let seed = source.commit("main", None, "a.txt", b"1\n");
    let before = (names(&world.root()), names(&source.0));
    let repos = world.repos(world.options(None));
    let handle = repos.open_with(&id('a'), &seed).await.expect("there");
    assert_eq!(handle.path(), source.0);
    assert!(matches!(repos.state(&id('a')), RepoState::Cloned { fetched: None }));
    let missing = repos.open(&id('b')).await.expect_err("nothing");
    assert!(
        matches!(&missing, RepoError::NotProvisioned(path) if *path == world.clone_of(&id('b'))),
        "{missing}"
    );
    assert!(matches!(repos.state(&id('b')), RepoState::Missing { .. }));
    fs::create_dir(world.clone_of(&id('c'))).expect("made");
    assert!(matches!(repos.open(&id('c')).await, Err(RepoError::Git { .. })));
    fs::remove_dir(world.clone_of(&id('c'))).expect("as it was");
    assert_eq!((names(&world.root()), names(&source.0)), before);

    let nowhere = world.repos(Options::at(None));
    assert!(matches!(nowhere.open(&id('a')).await, Err(RepoError::Disabled)));
    assert!(matches!(nowhere.state(&id('a')), RepoState::Disabled));
    let mut contradiction = world.options(Some("/srv/x.git"));
    contradiction.root = None;
    let refused = RepoMaterializer::new(contradiction, world.clock.clone(), world.tasks.clone());
    assert!(matches!(refused, Err(SetupError::NoRoot)));
}

#[tokio::test]
async fn the_provided_clone_is_used_where_it_is_for_its_experiment_alone() {
    let world = World::new();
    let own = Source::new(&world.dir.path().join("own"), &id('a'));
    own.commit("main", None, "a.txt", b"1\n");
    world.source(&id('b')).commit("main", None, "b.txt", b"1\n");
    let before = names(&own.0);
    let mut alone = world.options(None);
    alone.provided = Some((id('a'), own.0.clone()));
    let repos = world.repos(alone);
    assert_eq!(repos.open(&id('a')).await.expect("there").path(), own.0);
    assert!(matches!(repos.state(&id('a')), RepoState::Provided { .. }));
    assert_eq!(names(&own.0), before);

    let mut options = world.options(Some(&format!("{}/any.git", world.sources().display())));
    options.provided = Some((id('a'), own.0.clone()));
    let repos = world.repos(options);
    let handle = repos.open(&id('a')).await.expect("served as it is");
    assert!(handle.path() == own.0 && handle.stale().is_some());
    assert!(matches!(repos.state(&id('a')), RepoState::Failed { .. }));
    assert_eq!(names(&own.0), before);

    // Branches are added and forwarded, and those that are only here stay.
    let source = world.source(&id('a'));
    let seed = source.commit("main", None, "a.txt", b"1\n");
    let next = source.commit("main", Some(&seed), "a.txt", b"2\n");
    source.commit("work/v-1", Some(&seed), "b.txt", b"3\n");
    own.commit("mine", Some(&seed), "c.txt", b"4\n");
    world.clock.advance(LONG);
    let handle = repos.open_with(&id('a'), &next).await.expect("fetched");
    assert_eq!(handle.fetched(), Some(world.clock.now()));
    assert_eq!(branches(&own.0), ["main", "mine", "work/v-1"]);
    assert!(matches!(repos.state(&id('a')), RepoState::Provided { .. }));
    assert_eq!(
        repos.open(&id('b')).await.expect("cloned").path(),
        world.clone_of(&id('b'))
    );
    assert!(own.0.exists());
}

#[tokio::test]
async fn a_remote_that_cannot_be_used_is_said_where_it_is_missed() {
    let world = World::new();
    let seed = world.source(&id('a')).commit("main", None, "a.txt", b"1\n");
    let mut options = world.options(None);
    options.unusable = Some(SetupError::Https);
    options.provided = Some((id('a'), world.sources().join(format!("{}.git", id('a')))));
    let repos = world.repos(options);
    let handle = repos.open_with(&id('a'), &seed).await.expect("served as it is");
    assert!(handle.stale().is_some());
    for id in [id('a'), id('b')] {
        match repos.state(&id) {
            RepoState::Failed { error, .. } => assert!(error.to_string().contains("https"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let refused = repos.open(&id('b')).await.expect_err("nothing is here");
    assert!(matches!(refused, RepoError::Setup(SetupError::Https)), "{refused}");
}

#[tokio::test]
async fn half_made_and_damaged_clones_are_made_again_and_what_others_made_is_kept() {
    let world = World::new();
    let seed = world.source(&id('a')).commit("main", None, "a.txt", b"1\n");
    let clone = world.clone_of(&id('a'));
    // Left by a process that died, and by somebody else who did not finish.
    let unfinished = world.root().join(format!("{}.git.new", id('a')));
    fs::create_dir_all(unfinished.join("objects")).expect("made");
    fs::create_dir_all(&clone).expect("made");
    fs::write(clone.join("notes"), "mine").expect("written");
    let repos = world.local();
    let handle = repos.open_with(&id('a'), &seed).await.expect("cloned");
    assert!(!unfinished.exists());
    let aside = names(&world.root()).into_iter().find(|name| name.contains(".aside-"));
    let kept = world.root().join(aside.expect("moved aside")).join("notes");
    assert_eq!(fs::read_to_string(kept).expect("kept"), "mine");
    drop(handle);

    // A clone of ours whose objects are gone.
    fs::remove_dir_all(clone.join("objects/pack")).expect("removed");
    let handle = repos.open_with(&id('a'), &seed).await.expect("cloned again");
    assert!(handle.holds(&seed).await.expect("read"));
    let asides = names(&world.root())
        .iter()
        .filter(|name| name.contains(".aside-"))
        .count();
    assert_eq!(asides, 1, "what was made here is not kept");
}

#[tokio::test]
async fn branches_of_a_repository_that_others_made_are_never_lost() {
    let world = World::new();
    let remote = world.source(&id('a'));
    let seed = remote.commit("main", None, "a.txt", b"1\n");
    let theirs = Source::new(&world.root(), &id('a'));
    theirs.commit("main", None, "a.txt", b"1\n");
    let local = theirs.commit("only-here", Some(&seed), "b.txt", b"1\n");
    let forked = theirs.commit("forked", Some(&seed), "c.txt", b"here\n");
    remote.commit("forked", Some(&seed), "c.txt", b"there\n");
    let ahead = remote.commit("main", Some(&seed), "a.txt", b"2\n");
    let handle = world.local().open(&id('a')).await.expect("fetched");
    assert_eq!(branches(handle.path()), ["forked", "main", "only-here"]);
    let git = git2::Repository::open_bare(handle.path()).expect("a repository");
    let at = |name: &str| {
        git.refname_to_id(&format!("refs/heads/{name}"))
            .expect("a branch")
            .to_string()
    };
    assert_eq!((at("main"), at("forked")), (ahead.to_string(), forked.to_string()));
    assert_eq!(at("only-here"), local.to_string());
}

/// What does not shrink to nothing.
fn noise() -> Vec<u8> {
    let words = (0..60_000_u32).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 31));
    words.flat_map(u32::to_be_bytes).collect()
}

#[tokio::test]
async fn a_clone_in_which_something_cannot_be_read_is_made_again_but_not_over_and_over() {
    let world = World::new();
    let source = world.source(&id('a'));
    source.commit("main", None, "noise", &noise());
    let tip = source.commit("main", None, "more", &noise());
    let repos = world.local();
    let clone = repos.open(&id('a')).await.expect("cloned").path().to_owned();
    let damage = || {
        let pack = names(&clone.join("objects/pack"))
            .into_iter()
            .find(|name| name.ends_with(".pack"));
        let pack = clone.join("objects/pack").join(pack.expect("a pack"));
        let mut bytes = fs::read(&pack).expect("its bytes");
        let (from, to) = (bytes.len() / 4, bytes.len() * 3 / 4);
        bytes[from..to].fill(0);
        fs::remove_file(&pack).expect("read-only");
        fs::write(&pack, bytes).expect("damaged");
    };
    damage();
    let unreadable = repos.commit(&id('a'), &tip, &[]).await;
    assert!(matches!(unreadable, Err(RepoError::Git { .. })), "{unreadable:?}");
    let again = repos.commit(&id('a'), &tip, &[]).await;
    assert!(
        again.is_err(),
        "it was made a moment ago, so making it again would not help"
    );
    world.clock.advance(LONG);
    assert!(repos.commit(&id('a'), &tip, &[]).await.is_err(), "noted now");
    let told = repos.commit(&id('a'), &tip, &[]).await.expect("made again and read");
    assert_eq!(told.summary, "Change more");
    damage();
    repos
        .commit(&id('a'), &tip, &[])
        .await
        .expect("a commit never changes, so it is remembered");
}

#[tokio::test]
async fn one_fetch_brings_no_more_than_there_is_room_for() {
    let world = World::new();
    let (source, server) = (world.source(&id('a')), world.server().await);
    source.commit("main", None, "noise", &noise());
    let mut options = world.options(Some(&server.base));
    options.byte_budget = 100_000;
    let repos = world.repos(options);
    assert_eq!(fault(&repos, &id('a')).await, RemoteFault::Broken);
    assert!(!world.root().join(format!("{}.git.pack", id('a'))).exists());
    assert!(!world.clone_of(&id('a')).exists());
}

#[tokio::test]
async fn the_least_recently_used_clones_go_when_room_is_short() {
    let world = World::new();
    let noise = noise();
    for last in ['a', 'b', 'c', 'd'] {
        world.source(&id(last)).commit("main", None, "noise", &noise);
    }
    let theirs = Source::new(&world.root(), &id('e'));
    theirs.commit("main", None, "noise", &noise);
    let mut options = world.options(Some(&format!("{}/any.git", world.sources().display())));
    let repos = world.repos(options.clone());
    let mut held = None;
    for last in ['a', 'b', 'c'] {
        let handle = repos.open(&id(last)).await.expect("cloned");
        world.clock.advance(Duration::from_secs(1));
        if last == 'a' {
            held = Some(handle);
        }
    }
    let each = fs::read_dir(world.clone_of(&id('a')).join("objects/pack")).expect("packs");
    let each: u64 = each
        .map(|file| file.expect("one").metadata().expect("its size").len())
        .sum();
    assert!(each > 100_000, "{each}");
    // Room for two and a half; another process, which knows the last uses only from disk.
    options.byte_budget = each * 5 / 2;
    let repos = world.repos(options);
    repos.open(&id('b')).await.expect("there");
    world.clock.advance(Duration::from_secs(1));
    repos.open(&id('d')).await.expect("cloned");
    let there = |last| world.clone_of(&id(last)).exists();
    assert_eq!(
        ['a', 'b', 'c', 'd', 'e'].map(there),
        [true, false, false, true, true],
        "a is held, d is new, e is theirs"
    );
    drop(held);
    repos.open(&id('c')).await.expect("cloned again");
    assert_eq!(['a', 'b', 'c', 'd', 'e'].map(there), [false, false, true, true, true]);
}

#[tokio::test]
async fn many_packs_become_one_and_nothing_is_lost() {
    let world = World::new();
    let source = world.source(&id('a'));
    let repos = world.local();
    let mut tips = vec![source.commit("main", None, "a.txt", b"0\n")];
    for at in 1..60_u32 {
        repos.open(&id('a')).await.expect("fetched");
        world.clock.advance(LONG);
        tips.push(source.commit("main", tips.last(), "a.txt", at.to_string().as_bytes()));
    }
    let handle = repos.open(&id('a')).await.expect("fetched");
    let files = names(&handle.path().join("objects/pack"));
    let packs = files.iter().filter(|name| name.ends_with(".pack")).count();
    assert!((1..50).contains(&packs), "{packs}");
    for tip in &tips {
        assert!(handle.holds(tip).await.expect("read"), "{tip}");
    }
}

#[tokio::test]
async fn a_commit_is_told_in_short() {
    let world = World::new();
    let source = Source::new(&world.root(), &id('a'));
    let seed = source.commit("main", None, "g.txt", b"one\ntwo\n");
    let tip = source.commit("work/v-1", Some(&seed), "g.txt", b"one\nthree\nfour\n");
    let repos = world.repos(world.options(None));
    let told = repos
        .commit(&id('a'), &tip, std::slice::from_ref(&seed))
        .await
        .expect("read");
    assert_eq!((told.summary.as_str(), told.author.as_str()), ("Change g.txt", "ada"));
    assert_eq!(
        told.authored_at.expect("a time").to_string(),
        "2023-11-14T22:13:20.000Z"
    );
    assert_eq!(told.against, Some(seed.clone()));
    let file = |path: &str, change, lines| ChangedFile {
        path: path.to_owned(),
        change,
        lines,
    };
    assert_eq!(told.files, [file("g.txt", FileChange::Modified, Some((2, 1)))]);

    let first = repos.commit(&id('a'), &seed, &[]).await.expect("read");
    assert_eq!(first.against, None);
    assert_eq!(first.files, [file("g.txt", FileChange::Added, Some((2, 0)))]);

    let mut many = source.commit("work/v-2", Some(&seed), "\u{fffd}.bin", b"\0\x01");
    for at in 0..55 {
        many = source.commit("work/v-2", Some(&many), &format!("file-{at:02}"), b"x\n");
    }
    let told = repos
        .commit(&id('a'), &many, std::slice::from_ref(&seed))
        .await
        .expect("read");
    assert_eq!((told.files.len(), told.more_files), (50, 6));
    let binary = source.commit("work/v-3", Some(&seed), "x.bin", b"\0\x01");
    let told = repos.commit(&id('a'), &binary, &[seed]).await.expect("read");
    assert_eq!(told.files, [file("x.bin", FileChange::Added, None)]);
    let nowhere: CommitSha = "1".repeat(40).parse().expect("a name");
    let missing = repos.commit(&id('a'), &nowhere, &[]).await;
    assert!(matches!(missing, Err(RepoError::NoSuchCommit { .. })));
}
