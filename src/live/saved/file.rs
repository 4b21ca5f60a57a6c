//! The format of the files: compressed JSON, with a version at the beginning.

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::private_file::{create_private_dir, replace_private_with};
use crate::protocol::Timestamp;

/// Files of another version are not read: what they hold is listed again.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct File<T> {
    #[serde(rename = "form")]
    version: u32,
    /// When the server last answered.
    pub heard: Timestamp,
    pub content: T,
}

/// Reads a file, if it is there and of this version. An unreadable one is logged.
pub(super) async fn read<T: DeserializeOwned + Send + 'static>(path: PathBuf) -> Option<File<T>> {
    let read = tokio::task::spawn_blocking(move || match read_version(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            warn!(path = %path.display(), %error, "cannot read a saved file; its content is listed again");
            None
        }
    });
    read.await.ok()?
}

/// The file, unless it is of another version: its content may not even parse.
fn read_version<T: DeserializeOwned>(path: &Path) -> io::Result<Option<File<T>>> {
    let compressed = BufReader::new(fs::File::open(path)?);
    let mut json = BufReader::new(GzDecoder::new(compressed));
    // The version is the first field.
    let expected = format!(r#"{{"form":{VERSION},"#);
    let mut beginning = Vec::new();
    json.by_ref().take(expected.len() as u64).read_to_end(&mut beginning)?;
    if beginning != expected.as_bytes() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_reader(beginning.chain(json))?))
}

/// Replaces a file. A failure is logged.
pub(super) async fn write(path: PathBuf, heard: Timestamp, content: impl Serialize + Send + 'static) {
    let log_path = path.clone();
    let file = File {
        version: VERSION,
        heard,
        content,
    };
    let written = tokio::task::spawn_blocking(move || {
        // The directory may have been removed.
        path.parent().map_or(Ok(()), create_private_dir)?;
        replace_private_with(&path, |target| compress(target, &file))
    });
    if let Ok(Err(error)) = written.await {
        warn!(path = %log_path.display(), %error, "cannot save a file; its content is listed again after a restart");
    }
}

/// Fast rather than small, since files are written often.
fn compress(target: &mut fs::File, content: &impl Serialize) -> io::Result<()> {
    let encoder = GzEncoder::new(BufWriter::new(target), Compression::fast());
    let mut json = BufWriter::new(encoder);
    serde_json::to_writer(&mut json, content)?;
    json.into_inner()?.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_of_another_version_is_not_parsed() {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("a.json.gz");
        let heard = Timestamp::from_millisecond(1);
        let other = File {
            version: VERSION + 1,
            heard,
            content: "not a list",
        };
        compress(&mut fs::File::create(&path).expect("a file"), &other).expect("written");
        assert!(read_version::<Vec<u8>>(&path).expect("no error").is_none());
        write(path.clone(), heard, "not a list").await;
        assert!(read_version::<Vec<u8>>(&path).is_err());
    }
}
