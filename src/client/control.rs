use reqwest::{Body, Method, header};

use super::call::Call;
use super::push::{self, PushStream};
use super::registry::registry_operations;
use super::{Client, ClientError, Credential, RegistryClient};
use crate::protocol::*;

/// The operations of the control plane (`ch11`), and Switchboard's extension for seeding.
#[derive(Debug, Clone)]
pub struct ControlClient {
    client: Client,
}

impl Client {
    /// The operations of the control plane.
    pub fn control(&self) -> ControlClient {
        ControlClient::new(self.clone())
    }
}

/// Every operation fails with a [`ClientError`].
impl ControlClient {
    fn new(client: Client) -> Self {
        Self { client }
    }

    /// The same control plane, with another credential.
    pub fn with_credential(&self, credential: impl Into<Credential>) -> Self {
        Self::new(self.client.with_credential(credential))
    }

    /// The deployment's workers and groups.
    pub fn registry(&self) -> RegistryClient {
        RegistryClient::new(self.client.clone(), "/v0/control".to_owned(), None)
    }

    fn request(&self, method: Method, path: &str) -> Call {
        self.client.call(method, &format!("/v0/control{path}"))
    }

    /// Every registered experiment.
    pub async fn experiments(&self) -> Result<Vec<RegistryEntry>, ClientError> {
        let list: ExperimentList = self.request(Method::GET, "/experiments").fetch().await?;
        Ok(list.experiments)
    }

    /// Every registered experiment, with the ETag of the list if the server gives one. `None` when the ETag is still
    /// `known`.
    pub async fn experiments_if_changed(
        &self,
        known: Option<&str>,
    ) -> Result<Option<(Vec<RegistryEntry>, Option<String>)>, ClientError> {
        let call = self.request(Method::GET, "/experiments");
        let list = call.fetch_if_changed::<ExperimentList>(known).await?;
        Ok(list.map(|(list, tag)| (list.experiments, tag)))
    }

    /// One registered experiment.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<RegistryEntry, ClientError> {
        self.request(Method::GET, &format!("/experiments/{id}")).fetch().await
    }

    /// Registers an experiment and mints its id. Admin only.
    pub async fn register(&self, request: &RegisterExperiment) -> Result<RegistryEntry, ClientError> {
        self.request(Method::POST, "/experiments").body(request).fetch().await
    }

    /// Removes an experiment from the registry: 409 `invalid-precondition` unless it is terminated and has no active
    /// lease. The task store keeps what it hosts. Admin only.
    pub async fn unregister(&self, id: &ExperimentId) -> Result<(), ClientError> {
        let call = self.request(Method::DELETE, &format!("/experiments/{id}"));
        call.acknowledge().await
    }

    /// Makes the task store host a registered experiment: 404 when it is not registered, 409
    /// `already-exists` when it is hosted already, 400 when the configuration is invalid. Admin only.
    pub async fn seed(&self, id: &ExperimentId, request: &SeedRequest) -> Result<Experiment, ClientError> {
        let path = format!("/_switchboard/experiments/{id}/seed");
        self.client.call(Method::POST, &path).body(request).fetch().await
    }

    /// Imports an archive (`ch10`), under this id or under one that the server mints. It is not idempotent: after an
    /// unclear failure, `imported_from` of the experiments tells whether it was imported (`ch10 §10`). Admin only.
    pub async fn import_checkpoint(
        &self,
        archive: impl Into<Body>,
        id: Option<&ExperimentId>,
    ) -> Result<ImportReply, ClientError> {
        let call = self.client.call(Method::POST, "/v0/checkpoints/import");
        let call = call.timeout(Client::LONG_TIMEOUT).with(|request| {
            let request = request.header(header::CONTENT_TYPE, "application/x-eden-checkpoint+tar");
            request.body(archive)
        });
        let call = match id {
            Some(id) => call.query("as_experiment_id", id.as_str()),
            None => call,
        };
        call.fetch().await
    }

    /// Acquires the lease of an experiment: 409 `lease-held-by-other` while a lease is active, the caller's included.
    /// For workers of the deployment's `orchestrators`, each for itself.
    pub async fn acquire(&self, id: &ExperimentId, request: &AcquireLease) -> Result<Lease, ClientError> {
        let call = self.request(Method::POST, &format!("/experiments/{id}/leases"));
        call.body(request).fetch().await
    }

    /// Renews a lease of the caller that this process acquired: 410 `lease-expired` when it is too late, 410
    /// `lease-not-held` when it was released or replaced, 409 `lease-instance-mismatch` for another process.
    pub async fn renew(&self, lease: &str, instance: &str) -> Result<Lease, ClientError> {
        self.lease_request(lease, "renew", instance).fetch().await
    }

    /// Releases a lease; idempotent.
    pub async fn release(&self, lease: &str, instance: &str) -> Result<(), ClientError> {
        self.lease_request(lease, "release", instance).acknowledge().await
    }

    fn lease_request(&self, lease: &str, action: &str, instance: &str) -> Call {
        let path = format!("/leases/{}/{action}", percent_encode(lease));
        let holder_instance = instance.to_owned();
        self.request(Method::POST, &path)
            .body(&LeaseInstance { holder_instance })
    }

    /// The active leases of a holder. For that holder and the admin.
    pub async fn leases(&self, holder: &WorkerId) -> Result<Vec<Lease>, ClientError> {
        let call = self.request(Method::GET, "/leases").query("holder", holder.as_str());
        Ok(call.fetch::<LeaseList>().await?.leases)
    }

    /// Watches the registry by push. It returns once the stream is open. The stream ends or fails with the connection;
    /// the caller reconnects and lists again.
    pub async fn watch(&self) -> Result<PushStream, ClientError> {
        let url = format!("{}/v0/control/events", self.client.base);
        push::open(&url, &self.client.credential, None, None).await
    }
}

registry_operations!(ControlClient);
