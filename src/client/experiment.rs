use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::call::Call;
use super::call::decode;
use super::push::{self, PushStream};
use super::registry::registry_operations;
use super::{Client, ClientError, Credential, RegistryClient};
use crate::protocol::*;

/// The timeout of a long poll. A server may hold one for 30 s whatever the request says (`ch07 §8`); the rest is for
/// the network.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(40);

/// The timeout of a list or a log: for a large experiment, a slow server takes longer than other calls may.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// A list and the log position it is true for.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The entries.
    pub items: Vec<T>,
    /// From `Eden-Event-Cursor`; `None` when the server does not send it.
    pub cursor: Option<u64>,
}

/// The operations of the task store on one experiment (`ch07 §2` to `§8`). Each sends the credential of the
/// [`Client`] that made it.
#[derive(Debug, Clone)]
pub struct ExperimentClient {
    client: Client,
    id: ExperimentId,
}

impl Client {
    /// The operations of the task store on one experiment.
    pub fn experiment(&self, id: &ExperimentId) -> ExperimentClient {
        ExperimentClient::new(self.clone(), id.clone())
    }
}

/// Every operation fails with a [`ClientError`]: the server refused it or could not be reached.
impl ExperimentClient {
    fn new(client: Client, id: ExperimentId) -> Self {
        Self { client, id }
    }

    /// The experiment.
    pub fn id(&self) -> &ExperimentId {
        &self.id
    }

    /// The same experiment, with another credential.
    pub fn with_credential(&self, credential: impl Into<Credential>) -> Self {
        Self::new(self.client.with_credential(credential), self.id.clone())
    }

    /// The experiment's workers and groups.
    pub fn registry(&self) -> RegistryClient {
        let root = format!("/v0/experiments/{}", self.id);
        RegistryClient::new(self.client.clone(), root, Some(self.id.clone()))
    }

    fn request(&self, method: Method, path: &str) -> Call {
        self.client
            .call(method, &format!("/v0/experiments/{}{path}", self.id))
            .with(|request| request.header(EXPERIMENT_HEADER, self.id.as_str()))
    }

    fn get(&self, path: &str) -> Call {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> Call {
        self.request(Method::POST, path)
    }

    async fn act(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        self.post(path).body(body).acknowledge().await
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Listed<T>, ClientError> {
        let response = self.get(path).timeout(LIST_TIMEOUT).send().await?;
        let cursor = response
            .headers()
            .get(CURSOR_HEADER)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        Ok(Listed {
            items: decode(response).await?,
            cursor,
        })
    }

    /// The experiment object.
    pub async fn read(&self) -> Result<Experiment, ClientError> {
        self.get("").fetch().await
    }

    /// Its configuration, by a Switchboard extension.
    pub async fn config(&self) -> Result<ExperimentConfig, ClientError> {
        self.get("/config").fetch().await
    }

    /// Which decisions are automatic and which are an operator's.
    pub async fn dispatch_mode(&self) -> Result<DispatchMode, ClientError> {
        self.get("/dispatch_mode").fetch().await
    }

    /// Ends the experiment; idempotent.
    pub async fn terminate(&self, reason: &str) -> Result<Experiment, ClientError> {
        self.post("/terminate").body(&json!({ "reason": reason })).fetch().await
    }

    /// Every task.
    pub async fn tasks(&self) -> Result<Listed<Task>, ClientError> {
        self.list("/tasks").await
    }

    /// The tasks of one state, of every kind.
    pub async fn tasks_in_state(&self, state: TaskState) -> Result<Vec<Task>, ClientError> {
        self.get("/tasks").query("state", state.as_str()).fetch().await
    }

    /// One task.
    pub async fn task(&self, id: &TaskId) -> Result<Task, ClientError> {
        self.get(&task_path(id, "")).fetch().await
    }

    /// The submission of a task, if there is one.
    pub async fn submission(&self, id: &TaskId) -> Result<Option<Submission>, ClientError> {
        self.get(&task_path(id, "/submission")).fetch_optional().await
    }

    /// Creates a pending task.
    pub async fn create_task(&self, task: &Task) -> Result<Task, ClientError> {
        self.post("/tasks").body(task).fetch().await
    }

    /// Claims a pending task for the caller.
    pub async fn claim(&self, id: &TaskId, request: &ClaimRequest) -> Result<Claim, ClientError> {
        self.post(&task_path(id, "/claim")).body(request).fetch().await
    }

    /// Submits the result of a claimed task.
    pub async fn submit(&self, id: &TaskId, payload: Submission) -> Result<(), ClientError> {
        self.act(&task_path(id, "/submit"), &SubmitRequest { payload }).await
    }

    /// Accepts a submitted task.
    pub async fn accept(&self, id: &TaskId) -> Result<(), ClientError> {
        self.post(&task_path(id, "/accept")).acknowledge().await
    }

    /// Rejects a submitted task.
    pub async fn reject(&self, id: &TaskId, reason: RejectReason) -> Result<(), ClientError> {
        self.act(&task_path(id, "/reject"), &RejectRequest { reason }).await
    }

    /// Reclaims a task from its claimant.
    pub async fn reclaim(&self, id: &TaskId, cause: ReclaimCause) -> Result<(), ClientError> {
        self.act(&task_path(id, "/reclaim"), &ReclaimRequest { cause }).await
    }

    /// Every idea.
    pub async fn ideas(&self) -> Result<Listed<Idea>, ClientError> {
        self.list("/ideas").await
    }

    /// The ideas of one state.
    pub async fn ideas_in(&self, state: IdeaState) -> Result<Vec<Idea>, ClientError> {
        self.get("/ideas").query("state", state.as_str()).fetch().await
    }

    /// One idea.
    pub async fn idea(&self, id: &IdeaId) -> Result<Idea, ClientError> {
        self.get(&idea_path(id, "")).fetch().await
    }

    /// Drafts an idea.
    pub async fn create_idea(&self, idea: &Idea) -> Result<Idea, ClientError> {
        self.post("/ideas").body(idea).fetch().await
    }

    /// Makes a drafted idea ready for dispatch.
    pub async fn mark_ready(&self, id: &IdeaId) -> Result<(), ClientError> {
        self.post(&idea_path(id, "/mark-ready")).acknowledge().await
    }

    /// Every variant.
    pub async fn variants(&self) -> Result<Listed<Variant>, ClientError> {
        self.list("/variants").await
    }

    /// The variants of one status.
    pub async fn variants_in(&self, status: VariantStatus) -> Result<Vec<Variant>, ClientError> {
        self.get("/variants").query("status", status.as_str()).fetch().await
    }

    /// One variant.
    pub async fn variant(&self, id: &VariantId) -> Result<Variant, ClientError> {
        self.get(&variant_path(id, "")).fetch().await
    }

    /// Creates a variant.
    pub async fn create_variant(&self, variant: &Variant) -> Result<Variant, ClientError> {
        self.post("/variants").body(variant).fetch().await
    }

    /// Declares that a variant cannot be evaluated.
    pub async fn declare_evaluation_error(&self, id: &VariantId) -> Result<(), ClientError> {
        self.post(&variant_path(id, "/declare-evaluation-error"))
            .acknowledge()
            .await
    }

    /// Records the squash commit of a successful variant; idempotent for the same commit.
    pub async fn integrate(&self, id: &VariantId, commit: &CommitSha) -> Result<(), ClientError> {
        let body = IntegrateRequest {
            variant_commit_sha: commit.clone(),
        };
        self.act(&variant_path(id, "/integrate"), &body).await
    }

    /// Stores bytes under a new URI.
    pub async fn deposit_artifact(&self, content_type: &str, bytes: Vec<u8>) -> Result<DepositReply, ClientError> {
        let part = Part::bytes(bytes).file_name("artifact");
        let part = part.mime_str(content_type).map_err(ClientError::Setup)?;
        let form = Form::new().part("file", part);
        let call = self.post("/artifacts").timeout(Client::LONG_TIMEOUT);
        call.with(|request| request.multipart(form)).fetch().await
    }

    /// The bytes of an artifact, as they arrive; its type and size are in the headers. For its depositor and for
    /// administrators.
    pub async fn fetch_artifact(&self, uri: &str) -> Result<Response, ClientError> {
        let call = self.get("/artifacts").timeout(Client::LONG_TIMEOUT);
        call.query("uri", uri).send().await
    }

    /// The whole experiment as an archive, as it arrives (`ch10`). Admin only.
    pub async fn export_checkpoint(&self) -> Result<Response, ClientError> {
        self.post("/checkpoint").timeout(Client::LONG_TIMEOUT).send().await
    }

    /// The log from `cursor` (a count of events already seen), at most `limit` events where the server
    /// honours a limit. Without one, it may take as long as a list.
    pub async fn events(&self, cursor: u64, limit: Option<u64>) -> Result<EventBatch, ClientError> {
        let request = self.get("/events").query("cursor", cursor);
        let request = match limit {
            Some(limit) => request.query("limit", limit),
            None => request.timeout(LIST_TIMEOUT),
        };
        request.fetch().await
    }

    /// The length of the log. Its events are not parsed, so one that cannot be read does no harm.
    pub async fn log_length(&self) -> Result<u64, ClientError> {
        #[derive(serde::Deserialize)]
        struct Length {
            cursor: u64,
        }
        let call = self.get("/events").query("cursor", 0).timeout(LIST_TIMEOUT);
        Ok(call.fetch::<Length>().await?.cursor)
    }

    /// The log from `cursor`. While there is nothing after it, the server waits for at most `wait`, if it honours that.
    pub async fn subscribe(&self, cursor: u64, wait: Duration) -> Result<EventBatch, ClientError> {
        let call = self.get("/events/subscribe").timeout(LONG_POLL_TIMEOUT);
        let call = call.query("cursor", cursor).query("timeout", wait.as_secs());
        call.fetch().await
    }

    /// Watches the log from `cursor` by push. It returns once the stream is open. The stream ends or fails with the
    /// connection; the caller reconnects.
    pub async fn watch(&self, cursor: u64) -> Result<PushStream, ClientError> {
        let url = format!("{}/v0/experiments/{}/events/stream", self.client.base, self.id);
        push::open(&url, &self.client.credential, Some(self.id.as_str()), Some(cursor)).await
    }
}

registry_operations!(ExperimentClient);

fn task_path(id: &TaskId, rest: &str) -> String {
    format!("/tasks/{}{rest}", percent_encode(id.as_str()))
}

fn idea_path(id: &IdeaId, rest: &str) -> String {
    format!("/ideas/{}{rest}", percent_encode(id.as_str()))
}

fn variant_path(id: &VariantId, rest: &str) -> String {
    format!("/variants/{}{rest}", percent_encode(id.as_str()))
}
