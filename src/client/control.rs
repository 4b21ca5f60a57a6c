use reqwest::{Body, Method, RequestBuilder, header};

use super::push::{self, PushStream};
use super::registry::registry_operations;
use super::{Client, ClientError, acknowledge, fetch, with_body};
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

    /// The same control plane through another credential.
    pub fn with_bearer(&self, bearer: super::Bearer) -> Self {
        Self::new(self.client.with_bearer(bearer))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, &format!("/v0/control{path}"))
    }

    /// Every registered experiment.
    pub async fn experiments(&self) -> Result<Vec<RegistryEntry>, ClientError> {
        let list: ExperimentList = fetch(self.request(Method::GET, "/experiments")).await?;
        Ok(list.experiments)
    }

    /// One registered experiment.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<RegistryEntry, ClientError> {
        fetch(self.request(Method::GET, &format!("/experiments/{id}"))).await
    }

    /// Registers an experiment and mints its id. Admin only.
    pub async fn register(&self, request: &RegisterExperiment) -> Result<RegistryEntry, ClientError> {
        fetch(with_body(self.request(Method::POST, "/experiments"), request)).await
    }

    /// Takes an experiment out of the registry: 409 `invalid-precondition` unless it is terminated and leased to
    /// nobody. The task store keeps what it hosts. Admin only.
    pub async fn unregister(&self, id: &ExperimentId) -> Result<(), ClientError> {
        acknowledge(self.request(Method::DELETE, &format!("/experiments/{id}"))).await
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

    /// Takes the lease of an experiment: 409 `lease-held-by-other` while anybody's is active, the caller's included.
    /// For workers of the deployment's `orchestrators`, each for itself.
    pub async fn acquire(&self, id: &ExperimentId, request: &AcquireLease) -> Result<Lease, ClientError> {
        fetch(with_body(
            self.request(Method::POST, &format!("/experiments/{id}/leases")),
            request,
        ))
        .await
    }

    /// Prolongs a lease of the caller's, acquired by this process: 410 `lease-expired` when it is too late, 410
    /// `lease-not-held` when it was released or replaced, 409 `lease-instance-mismatch` for another process.
    pub async fn renew(&self, lease: &str, instance: &str) -> Result<Lease, ClientError> {
        fetch(self.lease_request(lease, "renew", instance)).await
    }

    /// Gives a lease back; idempotent.
    pub async fn release(&self, lease: &str, instance: &str) -> Result<(), ClientError> {
        acknowledge(self.lease_request(lease, "release", instance)).await
    }

    fn lease_request(&self, lease: &str, action: &str, instance: &str) -> RequestBuilder {
        let path = format!("/leases/{}/{action}", percent_encode(lease));
        let holder_instance = instance.to_owned();
        with_body(self.request(Method::POST, &path), &LeaseInstance { holder_instance })
    }

    /// The active leases of a holder. For that holder and the admin.
    pub async fn leases(&self, holder: &WorkerId) -> Result<Vec<Lease>, ClientError> {
        let request = self.request(Method::GET, "/leases");
        Ok(fetch::<LeaseList>(request.query(&[("holder", holder.as_str())]))
            .await?
            .leases)
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

registry_operations!(ControlClient);
