//! Files that only their owner may read: secrets on disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// A temporary file older than this is no longer being written.
const ABANDONED: Duration = Duration::from_secs(600);

/// Makes a directory and its parents, which only their owner may enter. One that exists keeps its mode.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file of mode 0600. It is on disk when this returns.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// The same atomically: a temporary file is written and renamed, so that a crash leaves either the old content or the
/// new.
///
/// # Errors
/// When it cannot be written or renamed.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_private_with(path, |file| file.write_all(content))
}

/// The same for content that is written in pieces.
///
/// # Errors
/// When it cannot be written or renamed, and the errors of `write`.
pub fn replace_private_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // A unique name: two writers at the same time must not write to the same file.
    let temporary = path.with_extension(format!("{:016x}.tmp", rand::random::<u64>()));
    let written = private(&temporary).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The rename must be on disk too.
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes temporary files of a directory that were never renamed, once they are older than any write takes.
///
/// # Errors
/// When the directory cannot be read, or such a file cannot be removed.
pub fn remove_abandoned(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)?.flatten() {
        let is_temporary = entry.path().extension().is_some_and(|extension| extension == "tmp");
        // It may have been renamed meanwhile.
        let Ok(changed) = entry.metadata().and_then(|file| file.modified()) else {
            continue;
        };
        if is_temporary && changed.elapsed().is_ok_and(|age| age > ABANDONED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file of mode 0600 unless it exists, and returns its content. Of several writers at the same time, all get
/// the content of the first.
///
/// # Errors
/// When it cannot be written or read.
pub fn create_private_once(path: &Path, content: &[u8]) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let temporary = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    write_private(&temporary, content)?;
    // Unlike a rename this fails if another writer was faster.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn of_many_who_make_a_file_all_get_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let made = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8_u8)
                .map(|n| {
                    scope.spawn({
                        let path = &path;
                        move || create_private_once(path, &[n; 64])
                    })
                })
                .collect();
            let made = makers
                .into_iter()
                .map(|maker| maker.join().expect("ends").expect("made"));
            made.collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(made.len(), 1);
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 1);
    }

    #[test]
    fn a_secret_is_private_and_replaced_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("exp/executor-1.json");
        create_private_dir(&dir.path().join("exp")).expect("made");
        replace_private(&path, b"a much longer secret").expect("written");
        replace_private(&path, b"short").expect("written again");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(&path).expect("bytes"), b"short");
        let beside = dir.path().join("exp").read_dir().expect("the directory");
        assert_eq!(beside.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn only_what_was_abandoned_is_swept() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, age) in [("a.0123.tmp", 660), ("b.4567.tmp", 60), ("kept.json.gz", 660)] {
            let file = private(&dir.path().join(name)).expect("made");
            let made = file.metadata().and_then(|file| file.modified()).expect("a time");
            file.set_modified(made - Duration::from_secs(age)).expect("set back");
        }
        remove_abandoned(dir.path()).expect("swept");
        let left = fs::read_dir(dir.path()).expect("the directory").flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["b.4567.tmp", "kept.json.gz"]);
    }
}
