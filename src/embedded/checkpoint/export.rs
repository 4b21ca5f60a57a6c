//! Exporting a checkpoint (`ch10 §6`). Everything in the database is read in one snapshot, and the repository after
//! it, so that each commit that an entity names is in the bundle.

use std::io::Write as _;

use futures_util::TryStreamExt;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::tar_writer::TarWriter;
use super::{CheckpointError, CheckpointResult, Checkpoints, Counts, LINE_MEMBERS, Manifest, Member};
use crate::embedded::blobs::blocking;
use crate::embedded::storage::{ArchiveTable, Session, StorageError, StorageResult};
use crate::embedded::{HostedExperiment, TempFile};
use crate::protocol::ExperimentId;

/// Bytes of the bundle that are copied at once.
const CHUNK: usize = 256 * 1024;

impl Checkpoints {
    /// A file with the whole experiment in it.
    pub(crate) async fn export(&self, hosted: &HostedExperiment) -> CheckpointResult<TempFile> {
        let id = &hosted.scope.experiment_id;
        let mut session = self.store.read_long(hosted.scope.key).await?;
        // The first read starts the snapshot, so the time is taken after it.
        let counts = counts(&mut session).await?;
        let now = self.clock.now();
        let mut archive = TarWriter::new(self.blobs.temp_file().await?, now);
        let manifest = Manifest::new(id.clone(), now, counts);
        archive.write_member(Member::Manifest, &pretty(&manifest)?).await?;
        let config = session.config_text().await?;
        archive.write_member(Member::Config, config.as_bytes()).await?;
        let experiment = session.experiment().await?;
        let is_imported = experiment.imported_from.is_some();
        let mut experiment = serde_json::to_value(experiment).map_err(StorageError::from)?;
        if let Some(members) = experiment.as_object_mut() {
            // Not part of the format, but every reader ignores unknown members. Without it the imported experiment
            // would go on under other rules.
            let mode = Value::Object(session.dispatch_mode().await?);
            members.insert("dispatch_mode".to_owned(), mode);
        }
        archive.write_member(Member::Experiment, &pretty(&experiment)?).await?;
        write_lines(&mut archive, &mut session).await?;
        drop(session);
        self.write_bundle(&mut archive, id, is_imported).await?;
        Ok(archive.finish().await?)
    }

    async fn write_bundle(&self, archive: &mut TarWriter, id: &ExperimentId, is_imported: bool) -> CheckpointResult {
        let bundle = self.blobs.temp_file().await?.into_unlinked().await?;
        let (repositories, id) = (self.repositories.clone(), id.clone());
        let bundle = blocking(move || {
            let mut out = std::io::BufWriter::new(bundle);
            repositories.write_bundle(&id, is_imported, &mut out)?;
            out.flush()?;
            let mut file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            std::io::Seek::rewind(&mut file)?;
            Ok::<_, CheckpointError>(file)
        });
        let mut bundle = tokio::fs::File::from_std(bundle.await?);
        let start = archive.begin_member().await?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = bundle.read(&mut chunk).await?;
            match chunk.get(..read) {
                Some(bytes) if !bytes.is_empty() => archive.append(bytes).await?,
                _ => break,
            }
        }
        archive.end_member(Member::Bundle, start).await?;
        Ok(())
    }
}

async fn write_lines(archive: &mut TarWriter, session: &mut Session) -> CheckpointResult {
    for (member, table) in LINE_MEMBERS {
        let start = archive.begin_member().await?;
        let mut rows = session.lines(table);
        while let Some((id, entity)) = rows.try_next().await.map_err(StorageError::from)? {
            let line = match table {
                ArchiveTable::Submission => submission_line(&id, &entity)?,
                _ => entity,
            };
            archive.append(line.as_bytes()).await?;
            archive.append(b"\n").await?;
        }
        archive.end_member(member, start).await?;
    }
    Ok(())
}

async fn counts(session: &mut Session) -> StorageResult<Counts> {
    Ok(Counts {
        tasks: session.count(ArchiveTable::Task).await?,
        ideas: session.count(ArchiveTable::Idea).await?,
        variants: session.count(ArchiveTable::Variant).await?,
        submissions: session.count(ArchiveTable::Submission).await?,
        events: session.count(ArchiveTable::Event).await?,
        workers: session.count(ArchiveTable::Worker).await?,
        groups: session.count(ArchiveTable::Group).await?,
    })
}

fn pretty(value: &impl serde::Serialize) -> StorageResult<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// A stored submission with the id of its task.
fn submission_line(task: &str, stored: &str) -> StorageResult<String> {
    let mut row: serde_json::Map<String, Value> = serde_json::from_str(stored)?;
    row.insert("task_id".to_owned(), task.into());
    Ok(serde_json::to_string(&row)?)
}
