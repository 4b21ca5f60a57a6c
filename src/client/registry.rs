//! Workers and groups, which have the same operations in an experiment and in the deployment (`ch11 §6`).

use reqwest::Method;

use super::call::Call;
use super::{Client, ClientError, Credential};
use crate::protocol::*;

/// Implements the operations of a registry for a client whose `request` takes a path below the registry's root.
macro_rules! registry_operations {
    ($client:ty) => {
        /// Workers and groups. Every operation fails with a [`ClientError`].
        impl $client {
            /// The caller's own identity; 401 when the credential is invalid.
            pub async fn whoami(&self) -> Result<Whoami, ClientError> {
                self.request(Method::GET, "/whoami").fetch().await
            }

            /// The worker id of the caller; `None` when it is no worker, as on a server whose authentication is off.
            pub async fn caller(&self) -> Result<Option<WorkerId>, ClientError> {
                let caller: UncheckedWhoami = self.request(Method::GET, "/whoami").fetch().await?;
                Ok(caller.worker_id.parse().ok())
            }

            /// Every worker.
            pub async fn workers(&self) -> Result<Vec<Worker>, ClientError> {
                let list: WorkerList = self.request(Method::GET, "/workers").fetch().await?;
                Ok(list.workers)
            }

            /// The workers of one name.
            pub async fn workers_named(&self, name: &str) -> Result<Vec<Worker>, ClientError> {
                let request = self.request(Method::GET, "/workers").query("name", name);
                Ok(request.fetch::<WorkerList>().await?.workers)
            }

            /// One worker.
            pub async fn read_worker(&self, id: &WorkerId) -> Result<Worker, ClientError> {
                self.request(Method::GET, &format!("/workers/{id}")).fetch().await
            }

            /// Registers a worker. Its secret is returned only here. Admin only.
            pub async fn register_worker(
                &self,
                request: &RegisterWorker,
            ) -> Result<(Worker, secrecy::SecretString), ClientError> {
                let reply: RegisteredWorker = self
                    .request(Method::POST, "/workers")
                    .body(request)
                    .fetch()
                    .await?;
                Ok((reply.worker, reply.registration_token.into()))
            }

            /// Reissues a worker's secret. The old one is invalid at once. Admin only.
            pub async fn reissue_credential(&self, id: &WorkerId) -> Result<secrecy::SecretString, ClientError> {
                let path = format!("/workers/{id}/reissue-credential");
                let reply: RegisteredWorker = self.request(Method::POST, &path).fetch().await?;
                Ok(reply.registration_token.into())
            }

            /// Every group.
            pub async fn groups(&self) -> Result<Vec<Group>, ClientError> {
                let list: GroupList = self.request(Method::GET, "/groups").fetch().await?;
                Ok(list.groups)
            }

            /// The groups of one name.
            pub async fn groups_named(&self, name: &str) -> Result<Vec<Group>, ClientError> {
                let request = self.request(Method::GET, "/groups").query("name", name);
                Ok(request.fetch::<GroupList>().await?.groups)
            }

            /// One group.
            pub async fn read_group(&self, id: &GroupId) -> Result<Group, ClientError> {
                self.request(Method::GET, &format!("/groups/{id}")).fetch().await
            }

            /// Registers a group. Admin only.
            pub async fn register_group(&self, request: &RegisterGroup) -> Result<Group, ClientError> {
                self.request(Method::POST, "/groups").body(request).fetch().await
            }

            /// Adds a member to a group; idempotent. Admin only.
            pub async fn add_member(&self, group: &GroupId, member_id: MemberId) -> Result<Group, ClientError> {
                let request = self.request(Method::POST, &format!("/groups/{group}/members"));
                request.body(&AddMember { member_id }).fetch().await
            }

            /// Removes a member from a group; idempotent. Admin only.
            pub async fn remove_member(&self, group: &GroupId, member: &MemberId) -> Result<Group, ClientError> {
                let path = format!("/groups/{group}/members/{member}");
                self.request(Method::DELETE, &path).fetch().await
            }

            /// Deletes a group. What refers to it admits nobody from then on. Admin only.
            pub async fn delete_group(&self, id: &GroupId) -> Result<(), ClientError> {
                self.request(Method::DELETE, &format!("/groups/{id}"))
                    .acknowledge()
                    .await
            }
        }
    };
}

pub(super) use registry_operations;

/// The registry of an experiment or of the deployment, for callers that work on both.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    client: Client,
    root: String,
    experiment: Option<ExperimentId>,
}

impl RegistryClient {
    pub(super) fn new(client: Client, root: String, experiment: Option<ExperimentId>) -> Self {
        Self {
            client,
            root,
            experiment,
        }
    }

    /// The experiment whose registry it is; `None` for the deployment's.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        self.experiment.as_ref()
    }

    /// The same registry, with another credential.
    pub fn with_credential(&self, credential: impl Into<Credential>) -> Self {
        Self {
            client: self.client.with_credential(credential),
            ..self.clone()
        }
    }

    fn request(&self, method: Method, path: &str) -> Call {
        let call = self.client.call(method, &format!("{}{path}", self.root));
        match &self.experiment {
            Some(id) => call.with(|request| request.header(EXPERIMENT_HEADER, id.as_str())),
            None => call,
        }
    }
}

registry_operations!(RegistryClient);
