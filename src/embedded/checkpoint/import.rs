//! Importing a checkpoint (`ch10 §8` to `§12`). The whole archive is checked first, and then written in one commit.
//! Until then nobody sees any of it, and a failure leaves nothing behind.

use std::fs::File;

use tokio_util::sync::CancellationToken;

use super::checked::check;
use super::config_choice::choose_config;
use super::line_rewriter::insert_lines;
use super::repositories::UnpackedBundle;
use super::service::ImportPermit;
use super::{CheckedArchive, CheckpointError, CheckpointResult, Checkpoints};
use crate::embedded::blobs::blocking;
use crate::embedded::storage::{StorageError, WriteSession};
use crate::embedded::{ProtocolError, ScopeKey};
use crate::protocol::*;

impl Checkpoints {
    /// Makes `id` the experiment of the archive, unless it is in use.
    pub(crate) async fn import(
        &self,
        file: File,
        id: ExperimentId,
        permit: ImportPermit,
    ) -> CheckpointResult<ImportReply> {
        let cancelled = CancellationToken::new();
        let _cancel_on_drop = cancelled.clone().drop_guard();
        let repositories = self.repositories.clone();
        // The permit goes along: a check that is cancelled goes on for a moment after this future is dropped.
        let checked = blocking(move || Ok::<_, CheckpointError>((check(file, cancelled, &repositories)?, permit)));
        let ((checked, bundle, mut warnings), _permit) = checked.await?;
        // The hash of a secret that nobody knows: the workers are registered, and work again once theirs is reissued.
        let (_, secret_hash) = self.auth.new_secret().await?;

        let mut write = self.store.write(ScopeKey::DEPLOYMENT).await?;
        let existing = self.experiments.find(id.as_str());
        let is_free = match &existing {
            Some(hosted) => {
                write.enter(hosted.scope.key);
                write.is_untouched(hosted).await?
            }
            None => !write.is_hosted(&id).await?,
        };
        if !is_free {
            let detail =
                format!("experiment {id} is in use: import under another id, or under none to have one minted");
            return Err(ProtocolError::new(ErrorType::ExperimentIdConflict, detail).into());
        }
        let (config_text, config) = choose_config(&mut write, &checked, existing.as_deref(), &mut warnings).await?;
        let registered_name = match &existing {
            Some(_) => write.registered(id.as_str()).await?.and_then(|known| known.entry.name),
            None => None,
        };
        let experiment = checked.imported_experiment(&id, registered_name);
        let mode = checked.dispatch_mode(&config)?;
        let log_length = checked.index.counts.events;
        let hosted = write
            .host_experiment(
                &experiment,
                (&config_text, config),
                &mode,
                existing.as_deref(),
                log_length,
            )
            .await?;
        checked.add_warnings(&self.repositories, &id, bundle.is_some(), &mut warnings);
        let checked = insert_lines(&mut write, checked, &id, secret_hash).await?;
        self.register(&mut write, &experiment, existing.is_some(), &checked)
            .await?;
        if existing.is_some() {
            // Readers that already show the experiment list its workers and groups again.
            for worker in &checked.index.workers {
                write.notify(&hosted.scope, "worker.registered", worker).await?;
            }
            write.notify(&hosted.scope, "group.changed", &id).await?;
        }
        match bundle {
            None => write.commit().await?,
            Some(bundle) => {
                let result = self.install_and_commit(write, bundle, &id).await;
                self.settle_import(&id).await;
                result?;
            }
        }
        Ok(ImportReply {
            experiment_id: id,
            warnings,
        })
    }

    /// Moves the repository to its place, and commits.
    async fn install_and_commit(
        &self,
        write: WriteSession,
        bundle: UnpackedBundle,
        id: &ExperimentId,
    ) -> CheckpointResult {
        let (repositories, id) = (self.repositories.clone(), id.clone());
        blocking(move || repositories.install(bundle, &id)).await?;
        Ok(write.commit().await?)
    }

    /// Keeps or removes the repository that an import installed. The database knows whether the import is committed,
    /// also after a commit that failed. If this fails, the next start tries again.
    async fn settle_import(&self, id: &ExperimentId) {
        let settled = async {
            let mut session = self.store.read(ScopeKey::DEPLOYMENT).await?;
            let is_committed = session.is_imported(id).await?;
            let (repositories, id) = (self.repositories.clone(), id.clone());
            blocking(move || {
                repositories
                    .settle_import(&id, is_committed)
                    .map_err(StorageError::from)
            })
            .await
        };
        if let Err(error) = settled.await {
            tracing::warn!(%error, experiment = %id, "cannot tell whether an imported repository is to stay");
        }
    }

    /// Updates the registry in the same commit (`ch11 §7`): the entry that the id has already, or a new one. Its state
    /// is always read from the experiment.
    async fn register(
        &self,
        write: &mut WriteSession,
        experiment: &Experiment,
        was_hosted: bool,
        checked: &CheckedArchive,
    ) -> CheckpointResult {
        let id = &experiment.experiment_id;
        let known = write.registered(id.as_str()).await?;
        let is_new = known.is_none();
        let entry = known.map(|known| known.entry).unwrap_or_else(|| RegistryEntry {
            experiment_id: id.clone(),
            name: experiment.name.clone(),
            config_uri: format!("eden-checkpoint:{}", checked.manifest.experiment_id),
            created_at: self.clock.now(),
            last_known_state: ExperimentState::Running,
            lease: None,
            warnings: Vec::new(),
            extra: Extra::new(),
        });
        write.put_entry(&entry).await?;
        let deployment = &self.deployment;
        if is_new {
            write.notify(deployment, "experiment.registered", id).await?;
        } else if experiment.state != ExperimentState::Running {
            // Until now it was running, or not hosted.
            write.notify(deployment, "experiment.state_changed", id).await?;
        }
        if !was_hosted {
            write.notify(deployment, "experiment.seeded", id).await?;
        }
        Ok(())
    }
}
