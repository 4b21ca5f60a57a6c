use reqwest::{Body, Method, header};

use super::push::{self, PushStream};
use super::{Client, ClientError, fetch, with_body};
use crate::protocol::*;

/// The control plane (`ch11`), and Switchboard's seeding extension that stands beside it.
#[derive(Debug, Clone)]
pub struct ControlClient {
    client: Client,
}

/// Every operation fails with a [`ClientError`].
impl ControlClient {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Every registered experiment.
    pub async fn experiments(&self) -> Result<Vec<RegistryEntry>, ClientError> {
        fetch::<ExperimentList>(self.client.request(Method::GET, "/v0/control/experiments"))
            .await
            .map(|list| list.experiments)
    }

    /// One registered experiment.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<RegistryEntry, ClientError> {
        fetch(
            self.client
                .request(Method::GET, &format!("/v0/control/experiments/{id}")),
        )
        .await
    }

    /// Registers an experiment and mints its id. Admin only.
    pub async fn register(&self, request: &RegisterExperiment) -> Result<RegistryEntry, ClientError> {
        fetch(with_body(
            self.client.request(Method::POST, "/v0/control/experiments"),
            request,
        ))
        .await
    }

    /// Makes the task store host a registered experiment: 404 when it is not registered, 409
    /// `already-exists` when it is hosted already, 400 when the configuration is not good. Admin only.
    pub async fn seed(&self, id: &ExperimentId, request: &SeedRequest) -> Result<Experiment, ClientError> {
        let path = format!("/_switchboard/experiments/{id}/seed");
        fetch(with_body(self.client.request(Method::POST, &path), request)).await
    }

    /// Takes over an archive (`ch10`), under this id or under one of the server's. It is not idempotent: after
    /// a failure in between, `imported_from` of the experiments tells whether it landed (`ch10 §10`). Admin only.
    pub async fn import_checkpoint(
        &self,
        archive: impl Into<Body>,
        id: Option<&ExperimentId>,
    ) -> Result<ImportReply, ClientError> {
        let request = self.client.request(Method::POST, "/v0/checkpoints/import");
        let request = request
            .header(header::CONTENT_TYPE, "application/x-eden-checkpoint+tar")
            .timeout(Client::LONG_TIMEOUT)
            .body(archive);
        fetch(match id {
            Some(id) => request.query(&[("as_experiment_id", id.as_str())]),
            None => request,
        })
        .await
    }

    /// Follows the registry by push. Ends or fails when the connection does; the caller reconnects and lists.
    pub fn watch(&self) -> Result<PushStream, ClientError> {
        push::open(
            &format!("{}/v0/control/events", self.client.base),
            &self.client.bearer,
            None,
            None,
        )
    }
}
