use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::clock::Clock;
use crate::protocol::{ExperimentConfig, ExperimentId};

const X: &str = "exp_00000000000000000000000001";
const Y: &str = "exp_00000000000000000000000002";

/// A directory of configurations, and a clock that stands at the hour at which files are written.
struct ConfigDir {
    dir: tempfile::TempDir,
    clock: Clock,
    written: SystemTime,
}

impl ConfigDir {
    fn new() -> Self {
        let hour: crate::protocol::Timestamp = "2026-01-02T03:00:00Z".parse().expect("an instant");
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            clock: Clock::manual(hour),
            written: hour.instant().into(),
        }
    }

    fn source(&self, default: Option<&str>) -> ConfigSource {
        let options = Options {
            dir: Some(self.dir.path().join("configs")),
            default: default.map(|file| (id(X), self.dir.path().join(file))),
        };
        ConfigSource::new(options, self.clock.clone())
    }

    /// Writes a configuration whose objective is `metric`.
    fn write(&self, file: &str, metric: &str) {
        self.write_text(
            file,
            format!("parallel_variants: 1\nevaluation_schema: {{{metric}: real}}\nobjective: {{expr: {metric}, direction: maximize}}\n"),
        );
    }

    /// Writes in place, with the hour as the modification time.
    fn write_text(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, text).expect("written");
        let file = File::options().write(true).open(path).expect("open");
        file.set_times(FileTimes::new().set_modified(self.written))
            .expect("dated");
    }
}

fn id(id: &str) -> ExperimentId {
    id.parse().expect("an id")
}

async fn expr(source: &ConfigSource, id: &ExperimentId) -> String {
    let config = source.get(id).await.expect("a configuration");
    config.objective.expr.clone()
}

async fn error(source: &ConfigSource, id: &ExperimentId) -> ConfigError {
    source.get(id).await.expect_err("no configuration")
}

#[tokio::test]
async fn each_experiment_has_its_own_and_never_anothers() {
    let configs = ConfigDir::new();
    configs.write("own.yaml", "mine");
    configs.write(&format!("configs/{X}.yaml"), "other");
    let source = configs.source(Some("own.yaml"));
    assert_eq!(
        expr(&source, &id(X)).await,
        "mine",
        "the file given for it, whatever the directory has"
    );
    assert_eq!(expr(&configs.source(None), &id(X)).await, "other");

    let missing = error(&source, &id(Y)).await;
    let wanted = configs.dir.path().join(format!("configs/{Y}.yaml"));
    assert!(matches!(&missing, ConfigError::Missing { looked_in: LookedIn::Directory(file), .. } if *file == wanted));
    assert!(missing.to_string().contains("put one at"), "{missing}");
    configs.write(&format!("configs/{Y}.yaml"), "yours");
    assert_eq!(expr(&source, &id(Y)).await, "yours", "it is noticed without a restart");

    fs::remove_file(configs.dir.path().join("own.yaml")).expect("removed");
    let missing = error(&source, &id(X)).await;
    assert!(
        missing.to_string().contains("--experiment-config, is not there"),
        "{missing}"
    );

    let nowhere = ConfigSource::new(Options::default(), configs.clock.clone());
    let missing = error(&nowhere, &id(X)).await;
    assert!(missing.to_string().contains("--experiment-config-dir"), "{missing}");
    assert_eq!(nowhere.revision(&id(X)).await, 0);
}

#[tokio::test]
async fn other_endings_are_taken_in_their_order() {
    let configs = ConfigDir::new();
    let source = configs.source(None);
    for (ending, metric) in [("json", "c"), ("yml", "b"), ("yaml", "a")] {
        configs.write(&format!("configs/{X}.{ending}"), metric);
        assert_eq!(expr(&source, &id(X)).await, metric);
    }
    fs::remove_file(configs.dir.path().join(format!("configs/{X}.yaml"))).expect("removed");
    assert_eq!(expr(&source, &id(X)).await, "b");
}

#[tokio::test]
async fn a_changed_file_is_noticed_even_when_it_looks_the_same() {
    let configs = ConfigDir::new();
    let file = format!("configs/{X}.yaml");
    configs.write(&file, "one");
    let source = configs.source(None);
    let (first, again) = (source.get(&id(X)).await, source.get(&id(X)).await);
    assert!(
        Arc::ptr_eq(&first.expect("one"), &again.expect("one")),
        "it is parsed once"
    );
    let revision = source.revision(&id(X)).await;

    // The same length, the same time, the same inode: only whoever reads it sees the difference.
    configs.write(&file, "two");
    assert_eq!(expr(&source, &id(X)).await, "two");
    let later = source.revision(&id(X)).await;
    assert!(later > revision);

    // Once it has settled, it is not read again unless it looks changed.
    configs.clock.advance(Duration::from_secs(60));
    let settled = source.get(&id(X)).await.expect("two");
    assert_eq!(source.revision(&id(X)).await, later, "the same text is the same answer");
    let newer = configs.written + Duration::from_secs(30);
    let aside = configs.dir.path().join("aside");
    fs::copy(configs.dir.path().join(&file), &aside).expect("copied");
    File::options()
        .write(true)
        .open(&aside)
        .and_then(|file| file.set_times(FileTimes::new().set_modified(newer)))
        .expect("dated");
    fs::rename(aside, configs.dir.path().join(&file)).expect("renamed");
    assert!(
        Arc::ptr_eq(&settled, &source.get(&id(X)).await.expect("two")),
        "read again, and the same"
    );
    configs.write(&file, "three");
    assert_eq!(expr(&source, &id(X)).await, "three");
    fs::remove_file(configs.dir.path().join(&file)).expect("removed");
    assert_eq!(source.revision(&id(X)).await, 0);
    configs.write(&file, "three");
    assert!(source.revision(&id(X)).await > later + 1);
}

#[tokio::test]
async fn a_faulty_file_is_reported_with_its_place_and_read_again_without_a_restart() {
    let configs = ConfigDir::new();
    let file = format!("configs/{X}.yaml");
    let source = configs.source(None);
    configs.write_text(
        &file,
        "parallel_variants: 1\nevaluation_schema: {a: real}\nobjective:\n  expr: a\n",
    );
    let invalid = error(&source, &id(X)).await;
    let revision = source.revision(&id(X)).await;
    let words = invalid.to_string();
    assert!(
        words.contains(&file) && words.ends_with("line 4, column 3: objective.direction is required"),
        "{words}"
    );
    let again = error(&source, &id(X)).await;
    match (invalid, again) {
        (ConfigError::Invalid { faults: first, .. }, ConfigError::Invalid { faults: second, .. }) => {
            assert!(Arc::ptr_eq(&first, &second), "a failure is kept too");
        }
        other => panic!("{other:?}"),
    }
    configs.write_text(&file, b"parallel_variants: 1\nnote: \xffx\n");
    let words = error(&source, &id(X)).await.to_string();
    assert!(
        words.contains("line 2, column 7: the configuration is not UTF-8"),
        "{words}"
    );
    configs.write_text(&file, vec![b'#'; ExperimentConfig::LONGEST + 1]);
    let words = error(&source, &id(X)).await.to_string();
    assert!(words.contains("at most 65536 bytes"), "{words}");
    configs.write(&file, "mended");
    assert_eq!(expr(&source, &id(X)).await, "mended");
    assert!(source.revision(&id(X)).await > revision);
}

#[tokio::test]
async fn what_cannot_be_read_is_no_crash() {
    let configs = ConfigDir::new();
    let file = format!("configs/{X}.yaml");
    let path = configs.dir.path().join(&file);
    fs::create_dir_all(&path).expect("made");
    let source = configs.source(None);
    let words = error(&source, &id(X)).await.to_string();
    assert!(words.contains("not a regular file"), "{words}");
    let revision = source.revision(&id(X)).await;
    assert_eq!(revision, source.revision(&id(X)).await);

    fs::remove_dir(&path).expect("removed");
    configs.write(&file, "locked");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("locked");
    // Nothing is locked to the superuser.
    if File::open(&path).is_err() {
        let locked = error(&source, &id(X)).await;
        assert!(matches!(locked, ConfigError::Unreadable { .. }), "{locked}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("unlocked");
    assert_eq!(expr(&source, &id(X)).await, "locked");

    // A loop of links is found at the same configs for everybody.
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink(&path, &path).expect("linked");
    let looped = error(&source, &id(X)).await;
    assert!(
        matches!(&looped, ConfigError::Unreadable { file, .. } if file == Path::new(&path)),
        "{looped}"
    );
}
