//! Taking over a checkpoint (`ch10 §8` to `§12`): all of it is checked first, on its own, and then written in one
//! commit. Until that, nobody sees any of it, and whatever fails leaves nothing behind.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::archive::{Abandoned, Archive, Member};
use super::configuration::configuration;
use super::ledger::Ledger;
use super::manifest::Manifest;
use super::repos::{Repos, Unpacked};
use super::rewrite::insert;
use super::{CheckpointError, invalid};
use crate::embedded::Inner;
use crate::embedded::blobs::blocking;
use crate::embedded::hub::Hosted;
use crate::embedded::shape::shaped;
use crate::embedded::storage::{ScopeKey, StorageError, Write};
use crate::embedded::transition::{self, Refusal};
use crate::protocol::*;

/// The manifest, the configuration and the experiment itself are short.
const LONGEST_TEXT: u64 = 1024 * 1024;
/// An archive that keeps every rule.
pub(super) struct Checked {
    pub(super) archive: Archive,
    pub(super) manifest: Manifest,
    experiment: Experiment,
    dispatch_mode: Option<Extra>,
    pub(super) config: String,
    pub(super) ledger: Ledger,
}

/// The right to import: one archive at a time is checked and written, since each takes its share of memory.
pub(in crate::embedded) struct ImportTurn {
    /// Given back when this is dropped.
    _permit: OwnedSemaphorePermit,
}

impl ImportTurn {
    /// Waits in line.
    pub(in crate::embedded) async fn wait(inner: &Inner) -> Result<Self, StorageError> {
        let permit = inner.imports.clone().acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        Ok(Self { _permit: permit })
    }
}

/// Ends the reading of an archive when who waits for the outcome goes.
struct Waiting(Abandoned);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes `id` what the archive holds, unless it is in use.
pub(in crate::embedded) async fn import(
    inner: &Arc<Inner>,
    file: File,
    id: ExperimentId,
    turn: ImportTurn,
) -> Result<ImportReply, CheckpointError> {
    let repos = inner.repos.clone();
    let abandoned = Abandoned::default();
    let _waiting = Waiting(abandoned.clone());
    // The turn goes along, since a check that is abandoned ends only a while after this does.
    let checked = blocking(move || Ok::<_, CheckpointError>((check(file, abandoned, &repos)?, turn)));
    let ((checked, repo, mut warnings), _turn) = checked.await?;
    // A credential that nobody was ever told: workers are known, and may come in once theirs is reissued.
    let (_, hash) = inner.auth.issue().await?;

    let mut write = inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let onto = inner.hub.find(id.as_str());
    let is_free = match &onto {
        Some(hosted) => write.is_untouched(hosted).await?,
        None => !write.is_hosted(&id).await?,
    };
    if !is_free {
        let detail = format!("experiment {id} is in use: import under another id, or under none to have one minted");
        return Err(Refusal::new(ErrorType::ExperimentIdConflict, detail).into());
    }
    let (text, config) = configuration(&mut write, &checked, onto.as_deref(), &mut warnings).await?;
    let experiment = checked.experiment(&id, &mut write, onto.as_deref()).await?;
    let mode = checked.dispatch_mode(&config)?;
    let length = checked.ledger.counts.events;
    let hosted = write
        .land(&experiment, (&text, config), &mode, onto.as_deref(), length)
        .await?;
    checked.warn(&inner.repos, &id, repo.is_some(), &mut warnings);
    let checked = insert(&mut write, checked, &id, hash).await?;
    register(inner, &mut write, &experiment, onto.is_some(), &checked).await?;
    if onto.is_some() {
        // Who looks at it already lists its workers and groups again.
        for worker in &checked.ledger.workers {
            write.notice(&hosted.scope, "worker.registered", worker).await?;
        }
        write.notice(&hosted.scope, "group.changed", &id).await?;
    }
    match repo {
        None => write.commit(&inner.hub).await?,
        Some(repo) => {
            let outcome = finish(inner, write, repo, &id).await;
            settle(inner, &id).await;
            outcome?;
        }
    }
    Ok(ImportReply {
        experiment_id: id,
        warnings,
    })
}

/// Puts the repository in its place and makes what was written true.
async fn finish(inner: &Inner, write: Write, repo: Unpacked, id: &ExperimentId) -> Result<(), CheckpointError> {
    let (repos, id) = (inner.repos.clone(), id.clone());
    blocking(move || repos.place(repo, &id)).await?;
    Ok(write.commit(&inner.hub).await?)
}

/// Says of a repository that was placed whether its import landed. The database knows, also when a commit failed.
/// What cannot be found out or done now is for the next start.
async fn settle(inner: &Inner, id: &ExperimentId) {
    let settled = async {
        let mut session = inner.store.read(ScopeKey::DEPLOYMENT).await?;
        let has_landed = session.is_imported(id).await?;
        let (repos, id) = (inner.repos.clone(), id.clone());
        blocking(move || repos.decide(&id, has_landed).map_err(StorageError::from)).await
    };
    if let Err(error) = settled.await {
        tracing::warn!(%error, experiment = %id, "cannot tell whether an imported repository is to stay");
    }
}

/// The checks that need nothing but the archive, in the order of the wire.
pub(super) fn check(
    file: File,
    abandoned: Abandoned,
    repos: &Repos,
) -> Result<(Checked, Option<Unpacked>, Vec<String>), CheckpointError> {
    let archive = Archive::index(file, abandoned)?;
    let manifest = Manifest::read(archive.text(Member::Manifest, LONGEST_TEXT)?.as_bytes())?;
    archive.is_complete()?;
    let config = archive.text(Member::Config, LONGEST_TEXT)?;
    let text = archive.text(Member::Experiment, LONGEST_TEXT)?;
    let (experiment, dispatch_mode) = archived_experiment(&text, &manifest)?;
    let mut ledger = Ledger::read(&archive, &manifest)?;
    ledger.agrees(&experiment)?;
    let repo = repos.unpack(&archive)?;
    let warnings = repo.as_ref().map(|repo| repo.check(&archive, &ledger)).transpose()?;
    let checked = Checked {
        archive,
        manifest,
        experiment,
        dispatch_mode,
        config,
        ledger,
    };
    Ok((checked, repo, warnings.unwrap_or_default()))
}

fn archived_experiment(text: &str, manifest: &Manifest) -> Result<(Experiment, Option<Extra>), Refusal> {
    let fault = |words: String| invalid(format!("{}: {words}", Member::Experiment.name()));
    let raw: Value = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
    let mut experiment: Experiment = shaped(&raw).map_err(fault)?;
    if experiment.experiment_id != manifest.experiment_id {
        return Err(fault("it is another experiment than the manifest's".to_owned()));
    }
    let mode = match experiment.extra.remove("dispatch_mode") {
        None => None,
        Some(Value::Object(mode)) => {
            transition::good_dispatch_patch(&mode).map_err(|refusal| fault(refusal.detail))?;
            Some(mode)
        }
        Some(_) => return Err(fault("dispatch_mode must be an object".to_owned())),
    };
    Ok((experiment, mode))
}

impl Checked {
    /// The experiment as it will be: its history is the archive's, its id and provenance are not.
    async fn experiment(
        &self,
        id: &ExperimentId,
        write: &mut Write,
        onto: Option<&Hosted>,
    ) -> Result<Experiment, CheckpointError> {
        let mut experiment = self.experiment.clone();
        if experiment.name.is_none() {
            let known = write.registered(id.as_str()).await?;
            experiment.name = known.and_then(|known| known.entry.name).filter(|_| onto.is_some());
        }
        experiment.experiment_id = id.clone();
        experiment.imported_from = Some(json!({
            "checkpoint_exported_at": self.manifest.exported_at,
            "checkpoint_format_version": self.manifest.checkpoint_format_version,
            "source_experiment_id": self.manifest.experiment_id,
        }));
        Ok(experiment)
    }

    /// Who decides what: as archived, else as the configuration begins.
    fn dispatch_mode(&self, config: &ExperimentConfig) -> Result<Extra, CheckpointError> {
        let initial = config
            .initial_dispatch_mode()
            .map_err(|fault| invalid(fault.to_string()))?;
        let initial = serde_json::to_value(initial).map_err(|fault| invalid(fault.to_string()))?;
        let mut mode = initial.as_object().cloned().unwrap_or_default();
        mode.extend(self.dispatch_mode.clone().unwrap_or_default());
        Ok(mode)
    }

    fn warn(&self, repos: &Repos, id: &ExperimentId, has_repo: bool, warnings: &mut Vec<String>) {
        let workers = &self.ledger.workers;
        if !workers.is_empty() {
            let shown: Vec<_> = workers.iter().take(20).map(WorkerId::as_str).collect();
            let more = workers.len() - shown.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            warnings.push(format!(
                "credentials do not travel: reissue the credential of each worker before it can work again \
                 (POST /v0/experiments/{id}/workers/{{worker_id}}/reissue-credential): {}{more}",
                shown.join(", ")
            ));
        }
        if !has_repo && repos.has(id) {
            warnings.push(format!(
                "repo.bundle is empty: the repository that {id} has already is kept as it is"
            ));
        } else if !has_repo && !self.ledger.commits.is_empty() {
            warnings.push(
                "repo.bundle is empty: the commits that ideas and variants name were not checked and are not here"
                    .to_owned(),
            );
        }
        if self.archive.artifacts > 0 {
            warnings.push(format!(
                "{} files under artifacts/ were left aside: artifacts_uri members are kept as they are",
                self.archive.artifacts
            ));
        }
    }
}

/// The registry follows in the same commit (`ch11 §7`): the entry the id has already, or a new one. Its state is
/// always the experiment's own.
async fn register(
    inner: &Arc<Inner>,
    write: &mut Write,
    experiment: &Experiment,
    was_hosted: bool,
    checked: &Checked,
) -> Result<(), CheckpointError> {
    let id = &experiment.experiment_id;
    let deployment = &inner.hub.deployment;
    let known = write.registered(id.as_str()).await?;
    let is_new = known.is_none();
    let entry = known.map(|known| known.entry).unwrap_or_else(|| RegistryEntry {
        experiment_id: id.clone(),
        name: experiment.name.clone(),
        config_uri: format!("eden-checkpoint:{}", checked.manifest.experiment_id),
        created_at: inner.clock.now(),
        last_known_state: ExperimentState::Running,
        lease: None,
        warnings: Vec::new(),
        extra: Extra::new(),
    });
    write.put_entry(&entry).await?;
    if is_new {
        write.notice(deployment, "experiment.registered", id).await?;
    } else if experiment.state != ExperimentState::Running {
        // So it was until now, or nothing hosted it.
        write.notice(deployment, "experiment.state_changed", id).await?;
    }
    if !was_hosted {
        write.notice(deployment, "experiment.seeded", id).await?;
    }
    Ok(())
}
