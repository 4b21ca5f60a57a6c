//! How the console comes by its credentials, keeps them, and gets over losing them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard::access::{CredentialState, Options, Posture, Scope, StoreFactory, TaskStores};
use switchboard::client::{ClientError, WatchEvent};
use switchboard::clock::Clock;
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;

use crate::gateway::{Fault, Gateway};
use crate::support::{ADMIN_TOKEN, World, eventually};

fn options(base: &str, dir: &Path) -> Options {
    Options::single_server(base, ADMIN_TOKEN.into(), dir.to_owned()).expect("an address")
}

fn without_token(base: &str, dir: &Path) -> Options {
    Options {
        admin_token: None,
        control_admin_token: None,
        ..options(base, dir)
    }
}

fn factory(options: Options) -> StoreFactory {
    factory_at(options, &Clock::default())
}

fn factory_at(options: Options, clock: &Clock) -> StoreFactory {
    StoreFactory::new(options, clock.clone(), Tasks::new()).expect("an HTTP client")
}

fn said(error: &ClientError) -> String {
    assert!(error.is_without_credential(), "{error:?}");
    error.to_string()
}

/// The console's workers, as the registry lists them.
async fn ours(admin: &switchboard::client::RegistryClient) -> Vec<WorkerId> {
    let workers = admin.workers_named(Options::WORKER_NAME).await.expect("a list");
    workers.into_iter().map(|worker| worker.worker_id).collect()
}

#[tokio::test]
async fn each_registry_gets_a_worker_of_its_own_once() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (one, two) = (world.lab("one").await, world.lab("two").await);
    let mut known = Vec::new();
    for _ in 0..2 {
        let stores = factory(options(&world.base, dir.path()));
        for lab in [&one, &two] {
            let me = stores
                .worker(&lab.id)
                .expect("an address")
                .whoami()
                .await
                .expect("known");
            assert_eq!(ours(&lab.admin.registry()).await, std::slice::from_ref(&me.worker_id));
            known.push(me.worker_id);
        }
        let me = stores.control().expect("an address").whoami().await.expect("known");
        known.push(me.worker_id);
    }
    assert_eq!(known[..3], known[3..], "the next start finds what the first made");
    assert_eq!(known[..3].iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    let file = dir.path().join(one.id.as_str()).join("worker.json");
    let mode = std::fs::metadata(&file).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let admins = one.admin.groups_named("admins").await.expect("a list").remove(0);
    assert!(admins.members.contains(&(&known[0]).into()), "operators may administer");
    world.stop().await;
}

#[tokio::test]
async fn a_replaced_credential_is_replaced_once_more_and_by_nobody_without_the_token() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let lab = world.lab("one").await;
    let stores = factory(options(&world.base, dir.path()));
    let client = stores.worker(&lab.id).expect("an address");
    let me = client.whoami().await.expect("known").worker_id;

    lab.admin.reissue_credential(&me).await.expect("reissued");
    assert_eq!(
        client.whoami().await.expect("known again").worker_id,
        me,
        "the same worker"
    );
    assert_eq!(client.tasks().await.expect("readable").items, []);

    let posture_c = factory(without_token(&world.base, dir.path()));
    assert_eq!(
        posture_c.posture(),
        Posture::WithoutCredentials,
        "of the control plane nothing is kept yet"
    );
    let client = posture_c.worker(&lab.id).expect("an address");
    assert_eq!(posture_c.credential_state(&lab.id), CredentialState::Stored);
    client.whoami().await.expect("what is kept is good");
    assert_eq!(posture_c.credential_state(&lab.id), CredentialState::Verified);
    lab.admin.reissue_credential(&me).await.expect("reissued");
    let words = said(&client.whoami().await.expect_err("refused"));
    assert!(
        words.contains("refuses the kept credential") && words.contains("--admin-token"),
        "{words}"
    );
    // Somebody with the token mends it, and the other needs no restart.
    stores
        .worker(&lab.id)
        .expect("an address")
        .whoami()
        .await
        .expect("mended");
    client.whoami().await.expect("found on disk");
    world.stop().await;
}

#[tokio::test]
async fn nothing_kept_and_no_token_is_said_and_a_kept_file_ends_it() {
    let world = World::start().await;
    let (rich, poor) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let lab = world.lab("one").await;
    let stores = factory(without_token(&world.base, poor.path()));
    let client = stores.worker(&lab.id).expect("an address");
    let words = said(&client.whoami().await.expect_err("refused"));
    assert!(
        words.contains("no credential for experiment") && words.contains("worker.json"),
        "{words}"
    );
    assert_eq!(stores.credential_state(&lab.id), CredentialState::Missing);
    assert_eq!(stores.posture(), Posture::WithoutCredentials);
    assert_eq!(ours(&lab.admin.registry()).await, [], "nobody was registered");

    let made = factory(options(&world.base, rich.path()));
    made.worker(&lab.id).expect("an address").whoami().await.expect("made");
    let at = |dir: &Path| dir.join(lab.id.as_str()).join("worker.json");
    std::fs::copy(at(rich.path()), at(poor.path())).expect("provisioned");
    client.whoami().await.expect("no restart is needed");

    std::fs::write(at(poor.path()), "{\"worker_id\": \"wkr_1\", \"token\": \"hunter2\"}").expect("written");
    let stores = factory(without_token(&world.base, poor.path()));
    let words = said(
        &stores
            .worker(&lab.id)
            .expect("an address")
            .whoami()
            .await
            .expect_err("refused"),
    );
    assert!(
        words.contains("holds no credential") && !words.contains("hunter2"),
        "{words}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_crash_between_registering_and_keeping_leaves_nobody_behind() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let lab = world.lab("one").await;
    let first = factory(options(&world.base, dir.path()));
    let me = first
        .worker(&lab.id)
        .expect("an address")
        .whoami()
        .await
        .expect("made")
        .worker_id;
    std::fs::remove_file(dir.path().join(lab.id.as_str()).join("worker.json")).expect("never written");

    let next = factory(options(&world.base, dir.path()));
    let again = next
        .worker(&lab.id)
        .expect("an address")
        .whoami()
        .await
        .expect("taken over");
    assert_eq!(again.worker_id, me);
    assert_eq!(ours(&lab.admin.registry()).await, std::slice::from_ref(&me));

    let elsewhere = tempfile::tempdir().expect("a directory");
    let other = factory(options(&world.base, elsewhere.path()));
    let other = other.worker(&lab.id).expect("an address").whoami().await.expect("made");
    assert_ne!(other.worker_id, me, "another console takes nobody's worker");
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_asked_for() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let lab = world.lab("one").await;
    // A directory in the way of the probe's file: root, which tests may run as, is refused nothing by modes.
    std::fs::create_dir_all(dir.path().join(lab.id.as_str()).join("worker.probe")).expect("made");
    let stores = factory(options(&world.base, dir.path()));
    let words = said(
        &stores
            .worker(&lab.id)
            .expect("an address")
            .whoami()
            .await
            .expect_err("refused"),
    );
    assert!(words.contains("cannot use"), "{words}");
    assert_eq!(ours(&lab.admin.registry()).await, [], "nobody was registered");
    world.stop().await;
}

#[tokio::test]
async fn the_files_of_the_reference_are_taken_over() {
    let world = World::start().await;
    let lab = world.lab("one").await;
    let (mine, secret) = {
        let request = RegisterWorker::default();
        let (worker, secret) = lab.admin.register_worker(&request).await.expect("registered");
        (
            worker.worker_id,
            secrecy::ExposeSecret::expose_secret(&secret).to_owned(),
        )
    };
    let layouts = [("", true), (lab.id.as_str(), true), (lab.id.as_str(), false)];
    for (below, is_named) in layouts {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join(below)).expect("made");
        std::fs::write(
            dir.path().join(below).join(format!("{mine}.token")),
            format!("{secret}\n"),
        )
        .expect("written");
        let stores = factory(Options {
            default_experiment: Some(lab.id.clone()),
            worker_id: is_named.then(|| mine.clone()),
            ..without_token(&world.base, dir.path())
        });
        assert_eq!(
            stores.credential_state(&lab.id),
            CredentialState::Stored,
            "{below} {is_named}"
        );
        let me = stores
            .worker(&lab.id)
            .expect("an address")
            .whoami()
            .await
            .expect("good");
        assert_eq!(me.worker_id, mine, "{below} {is_named}");
        assert!(
            dir.path().join(lab.id.as_str()).join("worker.json").exists(),
            "moved over"
        );
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(format!("{mine}.token")), &secret).expect("written");
    let stores = factory(without_token(&world.base, dir.path()));
    assert_eq!(
        stores.credential_state(&lab.id),
        CredentialState::Missing,
        "another program's"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_admin_token_is_said_and_a_server_that_asks_for_nothing_is_read() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let lab = world.lab("one").await;
    let wrong = Options {
        admin_token: Some("not the token".into()),
        ..options(&world.base, dir.path())
    };
    let words = said(
        &factory(wrong)
            .worker(&lab.id)
            .expect("an address")
            .whoami()
            .await
            .expect_err("refused"),
    );
    assert!(words.contains("refuses the admin token"), "{words}");
    world.stop().await;

    let open = World::start_with(|options| options.authentication = switchboard::embedded::Authentication::Off).await;
    let lab = open.lab("open").await;
    let stores = factory(without_token(&open.base, dir.path()));
    let client = stores.worker(&lab.id).expect("an address");
    assert_eq!(client.tasks().await.expect("readable").items, []);
    open.stop().await;
}

#[tokio::test]
async fn not_hosted_here_is_told_apart_from_not_seeded() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (lab, unseeded) = (world.lab("one").await, world.register("later").await);
    let gateway = Gateway::before(&world.base, &world.tasks).await;
    let only = lab.id.to_string();
    gateway.fail(Fault::Problem(400, "experiment-id-mismatch"), move |path, _| {
        path.starts_with("/v0/experiments/") && !path.contains(&only)
    });
    let single = factory(options(gateway.base(), dir.path()));
    single
        .worker(&lab.id)
        .expect("an address")
        .read()
        .await
        .expect("hosted");
    let error = single
        .worker(&unseeded)
        .expect("an address")
        .read()
        .await
        .expect_err("not hosted");
    assert!(error.is_not_hosted_here(), "{error:?}");

    let multi = factory(options(&world.base, dir.path()));
    let error = multi
        .worker(&unseeded)
        .expect("an address")
        .read()
        .await
        .expect_err("not seeded");
    assert!(error.is_not_found(), "{error:?}");

    let mapped = Options {
        task_stores: TaskStores::default()
            .with_experiment(lab.id.clone(), &world.base)
            .expect("an address"),
        ..options(&world.base, dir.path())
    };
    let mapped = factory(mapped);
    assert!(mapped.worker(&unseeded).is_none());
    assert_eq!(mapped.credential_state(&unseeded), CredentialState::NoAddress);
    world.stop().await;
}

/// Two consoles on one directory, while an administrator replaces their credential again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consoles_that_share_a_directory_converge_under_rotation() {
    const REQUESTS: usize = 1000;
    const ROTATIONS: usize = 12;
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let lab = world.lab("one").await;
    let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("an instant"));
    let consoles = [(); 2].map(|()| factory_at(options(&world.base, dir.path()), &clock));
    let clients = consoles
        .each_ref()
        .map(|stores| stores.worker(&lab.id).expect("an address"));
    let me = clients[0].whoami().await.expect("made").worker_id;
    clients[1].whoami().await.expect("shared");

    let (told, reissued) = tokio::sync::oneshot::channel();
    let mut stream = lab.admin.watch(0).await.expect("a stream");
    world.tasks.spawn("counter", async move {
        let mut reissued = 0;
        while let Some(Ok(item)) = futures_util::StreamExt::next(&mut stream).await {
            match item {
                WatchEvent::Signalled(notice) if notice.kind == "worker.credential_reissued" => reissued += 1,
                // The last thing that happens here, so that nothing is left to count.
                WatchEvent::Signalled(notice) if notice.kind == "worker.registered" => break,
                _ => {}
            }
        }
        told.send(reissued).expect("waited for");
    });

    let done = clients.each_ref().map(|_| Arc::new(AtomicUsize::new(0)));
    for (client, done) in clients.iter().zip(&done) {
        for _ in 0..4 {
            let (client, done) = (client.clone(), done.clone());
            world.tasks.spawn("requests", async move {
                for _ in 0..REQUESTS / 4 {
                    client.tasks().await.expect("no request fails for good");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    }
    let count = |n: usize| done[n].load(Ordering::SeqCst);
    for rotation in 1..=ROTATIONS {
        let goal = rotation * REQUESTS / (ROTATIONS + 1);
        eventually("progress on both", || count(0).min(count(1)) >= goal.min(REQUESTS)).await;
        // Nobody rotates so often that it looks like a fight over the worker.
        clock.advance(Duration::from_secs(3600));
        lab.admin.reissue_credential(&me).await.expect("rotated");
    }
    eventually("the end", || count(0) == REQUESTS && count(1) == REQUESTS).await;
    for client in &clients {
        assert_eq!(client.whoami().await.expect("known").worker_id, me);
    }
    assert_eq!(ours(&lab.admin.registry()).await, std::slice::from_ref(&me));
    lab.admin
        .register_worker(&RegisterWorker::default())
        .await
        .expect("registered");
    let reissued: usize = reissued.await.expect("counted");
    assert!(
        (ROTATIONS..=2 * ROTATIONS).contains(&reissued),
        "each rotation is answered by one reissue at most: {reissued}"
    );
    let scope = Scope::Experiment(lab.id.clone());
    assert_eq!(consoles[0].worker_id(&scope), Some(me));
    world.stop().await;
}

/// A directory that was copied, as a volume is from a snapshot.
#[tokio::test]
async fn consoles_on_copies_of_a_directory_part_ways() {
    let world = World::start().await;
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let lab = world.lab("one").await;
    let consoles = dirs.each_ref().map(|dir| factory(options(&world.base, dir.path())));
    let clients = consoles
        .each_ref()
        .map(|stores| stores.worker(&lab.id).expect("an address"));
    let first = clients[0].whoami().await.expect("made").worker_id;
    std::fs::create_dir(dirs[1].path().join(lab.id.as_str())).expect("made");
    for file in ["instance".to_owned(), format!("{}/worker.json", lab.id)] {
        std::fs::copy(dirs[0].path().join(&file), dirs[1].path().join(&file)).expect("copied");
    }
    clients[1].whoami().await.expect("the copy is good");
    lab.admin.reissue_credential(&first).await.expect("rotated");
    // Each takes it from the other a few times, until one of them sees what that means.
    for _ in 0..8 {
        for client in &clients {
            client.whoami().await.expect("known");
        }
    }
    let kept = dirs.each_ref().map(|dir| {
        let kept = std::fs::read_to_string(dir.path().join(lab.id.as_str()).join("worker.json"));
        kept.expect("kept")
    });
    for client in clients.iter().cycle().take(6) {
        client.whoami().await.expect("known");
    }
    for (dir, kept) in dirs.iter().zip(kept) {
        let now = std::fs::read_to_string(dir.path().join(lab.id.as_str()).join("worker.json"));
        assert_eq!(now.expect("kept"), kept, "nobody replaces anything any more");
    }
    assert_eq!(ours(&lab.admin.registry()).await.len(), 2);
    let instances = dirs
        .each_ref()
        .map(|dir| std::fs::read_to_string(dir.path().join("instance")).expect("kept"));
    assert_ne!(instances[0], instances[1]);
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_knows_nobody_by_id_is_read() {
    let world = World::start().await;
    let lab = world.lab("one").await;
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let known = factory(options(&world.base, dirs[0].path()));
    let client = known.worker(&lab.id).expect("an address");
    let me = client.whoami().await.expect("made").worker_id;

    let gateway = Gateway::before(&world.base, &world.tasks).await;
    let scope = Scope::Experiment(lab.id.clone());
    let faults = [
        Fault::Json("{\"worker_id\": \"anonymous\"}"),
        Fault::Problem(403, "forbidden"),
    ];
    for fault in faults {
        gateway.heal();
        gateway.fail(fault, |path, _| path.ends_with("/whoami"));
        gateway.fail(Fault::Json("[]"), |path, _| path.contains("/tasks"));
        let keeps = factory(without_token(gateway.base(), dirs[0].path()));
        let client = keeps.worker(&lab.id).expect("an address");
        client.tasks().await.expect("read as the worker that is kept");
        assert_eq!(keeps.worker_id(&scope), Some(me.clone()));
        let has_none = factory(without_token(gateway.base(), dirs[1].path()));
        let client = has_none.worker(&lab.id).expect("an address");
        client.tasks().await.expect("read as nobody");
        assert_eq!(has_none.worker_id(&scope), None);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_admin_token_hides_nothing_that_a_kept_credential_reads() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (kept, other) = (world.lab("one").await, world.lab("two").await);
    let good = factory(options(&world.base, dir.path()));
    let client = good.worker(&kept.id).expect("an address");
    client.whoami().await.expect("made");
    let wrong = factory(Options {
        admin_token: Some("not the token".into()),
        ..options(&world.base, dir.path())
    });
    let probe = wrong.probe(&kept.id).expect("an address");
    assert_eq!(probe.read().await.expect("as the worker").experiment_id, kept.id);
    let probe = wrong.probe(&other.id).expect("an address");
    let words = said(&probe.read().await.expect_err("nothing is kept"));
    assert!(words.contains("refuses the admin token"), "{words}");
    assert_eq!(ours(&other.admin.registry()).await, [], "nobody was registered");
    world.stop().await;
}

#[tokio::test]
async fn admins_that_come_later_are_joined_when_told() {
    let world = World::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let lab = world.lab("one").await;
    let stores = factory(options(&world.base, dir.path()));
    stores.join_admins(&lab.id).await;
    assert_eq!(ours(&lab.admin.registry()).await, [], "it registers nobody");
    let client = stores.worker(&lab.id).expect("an address");
    let me = client.whoami().await.expect("made").worker_id;
    let admins = lab.admin.groups_named("admins").await.expect("a list").remove(0);
    lab.admin
        .remove_member(&admins.group_id, &(&me).into())
        .await
        .expect("sent out");
    for _ in 0..2 {
        stores.join_admins(&lab.id).await;
        let admins = lab.admin.groups_named("admins").await.expect("a list").remove(0);
        let mine: Vec<_> = admins
            .members
            .iter()
            .filter(|member| **member == (&me).into())
            .collect();
        assert_eq!(mine.len(), 1);
    }
    world.stop().await;
}
