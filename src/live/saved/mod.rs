//! What was seen survives the process: pictures of experiments, and the registry's rows, as files. They are caches. One that
//! is missing or cannot be read costs a list and nothing else; one that is there is old news until the feed has spoken.

mod keeper;
mod picture;

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::registry::{Hosting, RegistryRow};
use super::snapshot::Snapshot;
use crate::private_file::{create_private_dir, remove_abandoned, replace_private_with};
use crate::protocol::{Experiment, ExperimentId, RegistryEntry, Timestamp};

pub(super) use keeper::Keeper;
use picture::{Picture, PictureRef};

/// Files of another form are not read: what they hold is listed anew.
const FORM: u32 = 1;

/// The directory with the files. It may be shared by consoles of one deployment: each file is replaced whole.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    directory: Arc<Path>,
    /// Whose registry it is. Of another deployment's there is nothing to show here.
    control_plane: Option<String>,
}

/// A picture from a file, and when the server was last heard of it.
pub(super) struct Kept {
    pub picture: Picture,
    pub heard: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct File<T> {
    form: u32,
    heard: Timestamp,
    content: T,
}

/// A row of the registry, without what is looked up at each start.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptRow {
    pub id: ExperimentId,
    pub entry: Option<RegistryEntry>,
    pub hosted: Option<Experiment>,
}

#[derive(Serialize, Deserialize)]
struct KeptRegistry {
    control_plane: Option<String>,
    rows: Vec<KeptRow>,
}

impl Shelf {
    /// The shelf in a directory, which is made unless it is there.
    pub(super) fn open(directory: PathBuf, control_plane: Option<String>) -> io::Result<Self> {
        create_private_dir(&directory)?;
        remove_abandoned(&directory)?;
        Ok(Self {
            directory: directory.into(),
            control_plane,
        })
    }

    fn of_experiment(&self, id: &ExperimentId) -> PathBuf {
        self.directory.join(format!("{id}.json.gz"))
    }

    fn of_registry(&self) -> PathBuf {
        self.directory.join("registry.json.gz")
    }

    /// What is kept of an experiment, if it is of this form.
    pub(super) async fn experiment(&self, id: &ExperimentId) -> Option<Kept> {
        let path = self.of_experiment(id);
        let file = tokio::task::spawn_blocking(move || read::<Picture>(&path))
            .await
            .ok()??;
        (file.content.experiment_id() == id).then_some(Kept {
            picture: file.content,
            heard: file.heard,
        })
    }

    /// The registry's rows as they were, and when that was.
    pub(super) async fn registry(&self) -> Option<(Vec<KeptRow>, Timestamp)> {
        let path = self.of_registry();
        let file = tokio::task::spawn_blocking(move || read::<KeptRegistry>(&path))
            .await
            .ok()??;
        (file.content.control_plane == self.control_plane).then_some((file.content.rows, file.heard))
    }

    async fn keep_experiment(&self, id: &ExperimentId, snapshot: Arc<Snapshot>, heard: Timestamp) {
        let path = self.of_experiment(id);
        write(path, move || File {
            form: FORM,
            heard,
            content: PictureRef(snapshot),
        })
        .await;
    }

    async fn keep_registry<'a>(&self, rows: impl Iterator<Item = &'a RegistryRow>, heard: Timestamp) {
        let rows = rows.map(|row| KeptRow {
            id: row.id.clone(),
            entry: row.entry.clone(),
            hosted: match &row.hosting {
                Hosting::Hosted(experiment) => Some(Experiment::clone(experiment)),
                Hosting::NotHosted | Hosting::Elsewhere | Hosting::Unknown(_) => None,
            },
        });
        let content = KeptRegistry {
            control_plane: self.control_plane.clone(),
            rows: rows.collect(),
        };
        write(self.of_registry(), move || File {
            form: FORM,
            heard,
            content,
        })
        .await;
    }

    /// Lets go of what is kept of experiments that the deployment does not have any more.
    async fn keep_only(&self, ids: Vec<ExperimentId>) {
        if self.control_plane.is_none() {
            // Who looks at a single experiment does not know which others somebody else looks at.
            return;
        }
        let directory = self.directory.clone();
        let swept = tokio::task::spawn_blocking(move || {
            for entry in fs::read_dir(&directory)?.flatten() {
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.strip_suffix(".json.gz"));
                let id = id.and_then(|id| id.parse::<ExperimentId>().ok());
                if id.is_some_and(|id| !ids.contains(&id)) {
                    fs::remove_file(entry.path())?;
                }
            }
            io::Result::Ok(())
        });
        if let Ok(Err(error)) = swept.await {
            warn!(path = %self.directory.display(), %error, "cannot sweep what is kept of experiments");
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<File<T>> {
    match unpacked(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            warn!(path = %path.display(), %error, "what was kept cannot be read; it is listed anew");
            None
        }
    }
}

/// The file, unless it is of another form: what that says need not make sense here.
fn unpacked<T: DeserializeOwned>(path: &Path) -> io::Result<Option<File<T>>> {
    let packed = BufReader::new(fs::File::open(path)?);
    let mut text = BufReader::new(GzDecoder::new(packed));
    // What is written begins with its form.
    let begin = format!(r#"{{"form":{FORM},"#);
    let mut begun = Vec::new();
    text.by_ref().take(begin.len() as u64).read_to_end(&mut begun)?;
    if begun != begin.as_bytes() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_reader(begun.chain(text))?))
}

/// As fast as may be: it is much larger than it has to be either way, and written often.
fn pack(file: &mut fs::File, content: &impl Serialize) -> io::Result<()> {
    let packer = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut text = BufWriter::new(packer);
    serde_json::to_writer(&mut text, content)?;
    text.into_inner()?.finish()?.flush()
}

async fn write<T: Serialize>(path: PathBuf, make: impl FnOnce() -> T + Send + 'static) {
    let shown = path.clone();
    let written = tokio::task::spawn_blocking(move || {
        // Somebody may have tidied up.
        path.parent().map_or(Ok(()), create_private_dir)?;
        replace_private_with(&path, |file| pack(file, &make()))
    });
    let written = written.await;
    if let Ok(Err(error)) = written {
        warn!(path = %shown.display(), %error, "cannot keep what is known; after a restart it is listed anew");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_read_again_and_what_is_of_another_form_is_not_looked_into() {
        let scratch = tempfile::tempdir().expect("a directory");
        let directory = scratch.path().join("shelf");
        let shelf = Shelf::open(directory.clone(), None).expect("a shelf");
        // Whoever tidied up took the directory too.
        fs::remove_dir(&directory).expect("gone");
        let heard = Timestamp::from_millisecond(1);
        shelf.keep_registry(std::iter::empty(), heard).await;
        let (rows, then) = shelf.registry().await.expect("kept");
        assert_eq!((rows.len(), then), (0, heard));

        let path = shelf.of_registry();
        let other = move |form| File {
            form,
            heard,
            content: "something else",
        };
        write(path.clone(), move || other(FORM + 1)).await;
        assert!(unpacked::<KeptRegistry>(&path).expect("no trouble").is_none());
        write(path.clone(), move || other(FORM)).await;
        assert!(unpacked::<KeptRegistry>(&path).is_err());
    }
}
