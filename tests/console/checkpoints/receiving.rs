//! Which experiment an archive becomes, and what becomes of its repository.

use super::*;

#[tokio::test]
async fn an_id_in_use_is_not_imported_into() {
    let site = Site::open().await;
    let lab = lived(&site, "first").await;
    let archive = export(&lab).await;
    assert_eq!(
        site.refused(archive.clone(), Some(&lab.id)).await,
        ErrorType::ExperimentIdConflict
    );

    let other = Site::open().await;
    let chosen = fresh('7');
    assert_eq!(other.import(archive.clone(), Some(&chosen)).await.experiment_id, chosen);
    let before = states(&other.world.admin.experiment(&chosen)).await;
    assert_eq!(
        other.refused(archive.clone(), Some(&chosen)).await,
        ErrorType::ExperimentIdConflict
    );
    assert_eq!(states(&other.world.admin.experiment(&chosen)).await, before);
    let minted = other.import(archive.clone(), None).await.experiment_id;
    assert_ne!(minted, chosen, "without an id another one is minted");
    assert_eq!(other.litter().len(), 2, "a repository each: {:?}", other.litter());

    // A repository that is not ours to overwrite, and one that an import left when the process died.
    let guarded = fresh('8');
    repository(&other.repo(&guarded));
    assert_eq!(
        other.refused(archive.clone(), Some(&guarded)).await,
        ErrorType::ExperimentIdConflict
    );
    let unseen = other.world.admin.experiment(&guarded).read().await;
    assert_eq!(
        kind_of(unseen),
        ErrorType::NotFound,
        "the repository refused, and nothing was committed"
    );
    let abandoned = Path::new(&other.repo(&guarded)).join("uncommitted-import");
    std::fs::write(&abandoned, "").expect("written");
    other.import(archive, Some(&guarded)).await;
    assert!(!abandoned.exists());
    assert!(git(&["-C", &other.repo(&guarded), "for-each-ref"]).contains("work/v-1"));
}

#[tokio::test]
async fn a_blank_experiment_becomes_what_the_archive_holds() {
    let (here, there) = (Site::open().await, Site::open().await);
    let lab = lived(&here, "source").await;
    lab.orchestrator.terminate("enough").await.expect("terminated");
    let archive = export(&lab).await;
    let blank = there.blank("blank").await;
    let client = there.world.admin.experiment(&blank);

    // Who waits for its log is woken, though its configuration changes.
    let waiting = long_poll(&there.world.base, &blank, 0);
    let both = async { tokio::join!(waiting, there.import(archive.clone(), None)) };
    let (seen, reply) = tokio::time::timeout(Duration::from_secs(30), both)
        .await
        .expect("it is woken");
    assert_eq!(reply.experiment_id, blank, "the only one hosted, and blank");
    assert_eq!(seen, lab.admin.events(0, None).await.expect("events").cursor);
    let schema = client.config().await.expect("a config").evaluation_schema;
    assert!(
        schema.contains_key("score") && !schema.contains_key("speed"),
        "{schema:?}"
    );
    assert_eq!(client.read().await.expect("read").state, ExperimentState::Terminated);
    let entry = there.world.admin.control().experiment(&blank).await.expect("an entry");
    assert_eq!(entry.last_known_state, ExperimentState::Terminated);
    assert_eq!(entry.config_uri, "file:///experiment.yaml", "its own");
    assert_eq!(
        there.refused(archive.clone(), Some(&blank)).await,
        ErrorType::ExperimentIdConflict
    );

    // An archive whose configuration is none: the receiver's stays, or one is made of what was measured.
    let junk = with(&archive, "experiment-config.yaml", b"x\n");
    let blank = there.blank("another").await;
    let reply = there.import(junk.clone(), Some(&blank)).await;
    assert!(
        reply
            .warnings
            .iter()
            .any(|warning| warning.contains("of the receiver stays")),
        "{:?}",
        reply.warnings
    );
    let config = there.world.admin.experiment(&blank).config().await.expect("a config");
    assert!(config.evaluation_schema.contains_key("speed"));
    let reply = there.import(junk, Some(&fresh('6'))).await;
    assert!(
        reply.warnings.iter().any(|warning| warning.contains("one was made")),
        "{:?}",
        reply.warnings
    );
    let made = there.world.admin.experiment(&fresh('6'));
    let schema = made.config().await.expect("a config").evaluation_schema;
    assert_eq!(schema.get("score"), Some(MetricType::Real));

    // All of it is there after a restart.
    let before = (states(&made).await, made.events(0, None).await.expect("events").cursor);
    let Site { dir, world } = there;
    world.stop().await;
    let world = World::at(Location::Directory(dir.path().to_owned())).await;
    let made = world.admin.experiment(&fresh('6'));
    assert_eq!(
        (states(&made).await, made.events(0, None).await.expect("events").cursor),
        before
    );
}

/// The cursor after a wait for the log to grow past this one.
async fn long_poll(base: &str, id: &ExperimentId, cursor: u64) -> u64 {
    let reply = reqwest::Client::new()
        .get(format!(
            "{base}/v0/experiments/{id}/events/subscribe?cursor={cursor}&timeout=60"
        ))
        .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
        .header(EXPERIMENT_HEADER, id.as_str())
        .send()
        .await
        .expect("an answer");
    reply.json::<EventBatch>().await.expect("a batch").cursor
}

#[tokio::test]
async fn of_imports_that_race_for_an_id_one_lands() {
    let (here, there) = (Site::open().await, Site::open().await);
    let archive = export(&lived(&here, "raced for").await).await;
    let id = fresh('5');
    let control = there.world.admin.control();
    let race = (0..6).map(|_| control.import_checkpoint(archive.clone(), Some(&id)));
    let outcomes = futures_util::future::join_all(race).await;
    let (landed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(landed.len(), 1);
    for outcome in refused {
        assert_eq!(kind_of(outcome), ErrorType::ExperimentIdConflict);
    }
    assert_eq!(there.litter(), [format!("{id}.git")]);
    let copy = there.world.admin.experiment(&id);
    assert_eq!(states(&copy).await.len(), 6, "four tasks, an idea and a variant");
}

#[tokio::test]
async fn a_start_settles_what_an_import_left() {
    let (here, there) = (Site::open().await, Site::open().await);
    let archive = export(&lived(&here, "settled").await).await;
    let landed = there.import(archive, None).await.experiment_id;
    let (blank, unknown) = (there.blank("nothing happened").await, fresh('9'));
    for id in [&blank, &unknown] {
        repository(&there.repo(id));
    }
    // As if the process had died just before the marks were removed, once after the commit and twice before it.
    for id in [&landed, &blank, &unknown] {
        std::fs::write(Path::new(&there.repo(id)).join("uncommitted-import"), "").expect("written");
    }
    let of = |world: &World, id: &ExperimentId| world.admin.experiment(id);
    let exported = of(&there.world, &blank).export_checkpoint().await.expect("exported");
    let bytes = exported.bytes().await.expect("bytes");
    assert!(bundle_of(&bytes).is_empty(), "nobody's bytes");

    let Site { dir, world } = there;
    world.stop().await;
    let world = World::at(Location::Directory(dir.path().to_owned())).await;
    let repos = std::fs::read_dir(dir.path().join("repos")).expect("listed");
    let names: Vec<_> = repos.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, [format!("{landed}.git").as_str()]);
    let repo = dir.path().join("repos").join(format!("{landed}.git"));
    assert!(!repo.join("uncommitted-import").exists());
    assert!(git(&["-C", &repo.to_string_lossy(), "for-each-ref"]).contains("work/v-1"));
    let exported = of(&world, &landed).export_checkpoint().await.expect("exported");
    assert!(!bundle_of(&exported.bytes().await.expect("bytes")).is_empty());
}
