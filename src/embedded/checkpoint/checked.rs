//! The checks that an archive must pass before anything is written. They need nothing but the archive, and run in the
//! order in which the wire reports faults (`ch10 §12`).

use std::fs::File;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::read_entities::index_archive;
use super::repositories::UnpackedBundle;
use super::{Archive, ArchiveIndex, CheckpointResult, Manifest, Member, RepositoryStore, invalid};
use crate::embedded::{ProtocolResult, strict_json, transition};
use crate::protocol::*;

/// The manifest, the configuration and the experiment itself may have this many bytes each.
const MAX_TEXT: u64 = 1024 * 1024;

/// An archive that passed all checks.
pub(super) struct CheckedArchive {
    pub(super) archive: Archive,
    pub(super) manifest: Manifest,
    pub(super) experiment: Experiment,
    dispatch_mode: Option<Extra>,
    pub(super) config: String,
    pub(super) index: ArchiveIndex,
}

/// Checks an archive and unpacks its bundle. Returns warnings for the operator beside it.
pub(super) fn check(
    file: File,
    cancelled: CancellationToken,
    repositories: &RepositoryStore,
) -> CheckpointResult<(CheckedArchive, Option<UnpackedBundle>, Vec<String>)> {
    let archive = Archive::open(file, cancelled)?;
    let manifest = Manifest::read(archive.text(Member::Manifest, MAX_TEXT)?.as_bytes())?;
    archive.require_complete()?;
    let config = archive.text(Member::Config, MAX_TEXT)?;
    let text = archive.text(Member::Experiment, MAX_TEXT)?;
    let (experiment, dispatch_mode) = read_experiment(&text, &manifest)?;
    let mut index = index_archive(&archive, &manifest)?;
    index.check_experiment(&experiment)?;
    let bundle = repositories.unpack(&archive)?;
    let warnings = bundle
        .as_ref()
        .map(|bundle| bundle.check(&archive, &index))
        .transpose()?;
    let checked = CheckedArchive {
        archive,
        manifest,
        experiment,
        dispatch_mode,
        config,
        index,
    };
    Ok((checked, bundle, warnings.unwrap_or_default()))
}

fn read_experiment(text: &str, manifest: &Manifest) -> ProtocolResult<(Experiment, Option<Extra>)> {
    let fault = |detail: String| invalid(format!("{}: {detail}", Member::Experiment.name()));
    let raw: Value = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
    let mut experiment: Experiment = strict_json::from_value(&raw).map_err(fault)?;
    if experiment.experiment_id != manifest.experiment_id {
        return Err(fault("it is another experiment than the manifest's".to_owned()));
    }
    let mode = match experiment.extra.remove("dispatch_mode") {
        None => None,
        Some(Value::Object(mode)) => {
            transition::check_dispatch_patch(&mode).map_err(|error| fault(error.detail))?;
            Some(mode)
        }
        Some(_) => return Err(fault("dispatch_mode must be an object".to_owned())),
    };
    Ok((experiment, mode))
}

impl CheckedArchive {
    /// The experiment as it will be stored: its history is the archive's, its id and provenance are new. `known_name`
    /// is used when the archive has no name.
    pub(super) fn imported_experiment(&self, id: &ExperimentId, known_name: Option<DisplayName>) -> Experiment {
        let mut experiment = self.experiment.clone();
        experiment.name = experiment.name.or(known_name);
        experiment.experiment_id = id.clone();
        experiment.imported_from = Some(json!({
            "checkpoint_exported_at": self.manifest.exported_at,
            "checkpoint_format_version": self.manifest.checkpoint_format_version,
            "source_experiment_id": self.manifest.experiment_id,
        }));
        experiment
    }

    /// The dispatch mode of the archive. What the archive does not say is as the configuration starts.
    pub(super) fn dispatch_mode(&self, config: &ExperimentConfig) -> CheckpointResult<Extra> {
        let initial = config
            .initial_dispatch_mode()
            .map_err(|fault| invalid(fault.to_string()))?;
        let initial = serde_json::to_value(initial).map_err(|fault| invalid(fault.to_string()))?;
        let mut mode = initial.as_object().cloned().unwrap_or_default();
        mode.extend(self.dispatch_mode.clone().unwrap_or_default());
        Ok(mode)
    }

    /// Adds what an operator should know about the import. `has_bundle`: the archive brings a git history.
    pub(super) fn add_warnings(
        &self,
        repositories: &RepositoryStore,
        id: &ExperimentId,
        has_bundle: bool,
        warnings: &mut Vec<String>,
    ) {
        let workers = &self.index.workers;
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
        if !has_bundle && repositories.exists(id) {
            warnings.push(format!(
                "repo.bundle is empty: the repository that {id} has already is kept as it is"
            ));
        } else if !has_bundle && !self.index.commits.is_empty() {
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
