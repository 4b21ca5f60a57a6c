//! Writing a checkpoint (`ch10 §6`): everything the database knows is read in one snapshot, and the repository after
//! it, so that each commit an entity names is in the bundle.

use std::io::Write as _;
use std::sync::Arc;

use futures_util::TryStreamExt;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::CheckpointError;
use super::archive::Member;
use super::manifest::{Counts, Manifest};
use super::writer::Writer;
use crate::embedded::Inner;
use crate::embedded::blobs::{Draft, blocking};
use crate::embedded::hub::Hosted;
use crate::embedded::storage::{Archived, Session, StorageError};

/// A file with the whole experiment in it.
pub(in crate::embedded) async fn export(inner: &Arc<Inner>, hosted: &Hosted) -> Result<Draft, CheckpointError> {
    let id = &hosted.scope.experiment_id;
    let mut session = inner.store.read_long(hosted.scope.key).await?;
    // The first read begins the snapshot, so the moment is taken after it.
    let counts = counts(&mut session).await?;
    let now = inner.clock.now();
    let mut archive = Writer::new(inner.blobs.draft().await?, now);
    let manifest = Manifest::new(id.clone(), now, counts);
    archive.whole(Member::Manifest, &pretty(&manifest)?).await?;
    let config = session.config_text().await?;
    archive.whole(Member::Config, config.as_bytes()).await?;
    let experiment = session.experiment().await?;
    let is_imported = experiment.imported_from.is_some();
    let mut experiment = serde_json::to_value(experiment).map_err(StorageError::from)?;
    if let Some(members) = experiment.as_object_mut() {
        // Not in the format, but no reader minds, and without it the experiment would resume under other rules.
        members.insert(
            "dispatch_mode".to_owned(),
            Value::Object(session.dispatch_mode().await?),
        );
    }
    archive.whole(Member::Experiment, &pretty(&experiment)?).await?;
    for (member, kind) in [
        (Member::Tasks, Archived::Task),
        (Member::Ideas, Archived::Idea),
        (Member::Variants, Archived::Variant),
        (Member::Submissions, Archived::Submission),
        (Member::Events, Archived::Event),
        (Member::Workers, Archived::Worker),
        (Member::Groups, Archived::Group),
    ] {
        let place = archive.begin().await?;
        let mut rows = session.lines(kind);
        while let Some((id, entity)) = rows.try_next().await.map_err(StorageError::from)? {
            let line = match kind {
                Archived::Submission => submission(&id, &entity)?,
                _ => entity,
            };
            archive.append(line.as_bytes()).await?;
            archive.append(b"\n").await?;
        }
        archive.end(member, place).await?;
    }
    drop(session);

    let bundle = inner.blobs.draft().await?.unnamed().await?;
    let (repos, id) = (inner.repos.clone(), id.clone());
    let bundle = blocking(move || {
        let mut out = std::io::BufWriter::new(bundle);
        repos.bundle(&id, is_imported, &mut out)?;
        out.flush()?;
        let mut file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        std::io::Seek::rewind(&mut file)?;
        Ok::<_, CheckpointError>(file)
    });
    let mut bundle = tokio::fs::File::from_std(bundle.await?);
    let place = archive.begin().await?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let read = bundle.read(&mut chunk).await?;
        match chunk.get(..read) {
            Some(bytes) if !bytes.is_empty() => archive.append(bytes).await?,
            _ => break,
        }
    }
    archive.end(Member::Bundle, place).await?;
    Ok(archive.finish().await?)
}

async fn counts(session: &mut Session) -> Result<Counts, StorageError> {
    Ok(Counts {
        tasks: session.count(Archived::Task).await?,
        ideas: session.count(Archived::Idea).await?,
        variants: session.count(Archived::Variant).await?,
        submissions: session.count(Archived::Submission).await?,
        events: session.count(Archived::Event).await?,
        workers: session.count(Archived::Worker).await?,
        groups: session.count(Archived::Group).await?,
    })
}

fn pretty(value: &impl serde::Serialize) -> Result<Vec<u8>, StorageError> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

/// What was handed in, and for which task.
fn submission(task: &str, stored: &str) -> Result<String, StorageError> {
    let mut row: serde_json::Map<String, Value> = serde_json::from_str(stored)?;
    row.insert("task_id".to_owned(), task.into());
    Ok(serde_json::to_string(&row)?)
}
