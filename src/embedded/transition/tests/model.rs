//! An experiment in memory. It looks up for a transition what the handlers look up, and stores the result.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::embedded::ProtocolResult;
use crate::embedded::transition::*;
use crate::protocol::*;

pub(in crate::embedded::transition) const NOW: &str = "2026-01-02T03:04:05.000Z";

/// The types of the events of one commit, or the type of the error.
pub(in crate::embedded::transition) type Kinds = Result<Vec<&'static str>, ErrorType>;

pub(in crate::embedded::transition) struct Model {
    pub(in crate::embedded::transition) experiment: Experiment,
    pub(in crate::embedded::transition) config: ExperimentConfig,
    pub(in crate::embedded::transition) tasks: BTreeMap<String, Task>,
    pub(in crate::embedded::transition) submissions: BTreeMap<String, Submission>,
    pub(in crate::embedded::transition) ideas: BTreeMap<String, Idea>,
    /// In the order of insertion, as the storage has them.
    pub(in crate::embedded::transition) variants: Vec<Variant>,
    pub(in crate::embedded::transition) log: Vec<NewEvent>,
}

pub(in crate::embedded::transition) fn worker(n: u8) -> WorkerId {
    format!("wkr_{n:0>26}").parse().expect("a worker id")
}

pub(in crate::embedded::transition) fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a commit")
}

pub(in crate::embedded::transition) fn now() -> Timestamp {
    NOW.parse().expect("an instant")
}

pub(in crate::embedded::transition) fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("well-formed")
}

impl Model {
    pub(in crate::embedded::transition) fn new() -> Self {
        let config = "
parallel_variants: 1
evaluation_schema: {score: real}
objective: {expr: score, direction: maximize}
";
        Self {
            experiment: of(serde_json::json!({
                "experiment_id": "exp_00000000000000000000000001", "state": "running", "created_at": NOW,
            })),
            config: ExperimentConfig::from_yaml(config).expect("a config"),
            tasks: BTreeMap::new(),
            submissions: BTreeMap::new(),
            ideas: BTreeMap::new(),
            variants: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(in crate::embedded::transition) fn new_task(&self, id: &str, kind: TaskKind, subject: &str) -> Task {
        let payload = match kind {
            TaskKind::Ideation => serde_json::json!({ "experiment_id": self.experiment.experiment_id }),
            TaskKind::Execution => serde_json::json!({ "idea_id": subject }),
            TaskKind::Evaluation => serde_json::json!({ "variant_id": subject }),
        };
        of(serde_json::json!({
            "task_id": id, "kind": kind, "state": "pending", "payload": payload, "created_at": NOW, "updated_at": NOW,
        }))
    }

    pub(in crate::embedded::transition) fn new_idea(&self, id: &str) -> Idea {
        of(serde_json::json!({
            "idea_id": id, "experiment_id": self.experiment.experiment_id, "slug": "a", "priority": 1,
            "parent_commits": [sha('0')], "artifacts_uri": "eden://a/1", "state": "drafting", "created_at": NOW,
        }))
    }

    pub(in crate::embedded::transition) fn new_variant(&self, id: &str, idea: &str) -> Variant {
        of(serde_json::json!({
            "variant_id": id, "experiment_id": self.experiment.experiment_id, "idea_id": idea, "status": "starting",
            "parent_commits": [sha('0')], "started_at": NOW,
        }))
    }

    pub(in crate::embedded::transition) fn variant(&self, id: &str) -> Option<&Variant> {
        self.variants.iter().find(|v| v.variant_id.as_str() == id)
    }

    /// Stores a change, or reports the error.
    fn store(&mut self, result: ProtocolResult<ChangeSet>) -> Kinds {
        let change = result.map_err(|error| error.kind)?;
        let changes = change.task.is_some()
            || change.idea.is_some()
            || change.variant.is_some()
            || change.experiment.is_some()
            || change.submission != SubmissionChange::Keep;
        assert!(!changes || !change.events.is_empty(), "a change without an event");
        if let Some(task) = change.task {
            let id = task.task_id.to_string();
            match change.submission {
                SubmissionChange::Keep => {}
                SubmissionChange::Put(submission) => {
                    self.submissions.insert(id.clone(), submission);
                }
                SubmissionChange::Drop => {
                    self.submissions.remove(&id);
                }
            }
            self.tasks.insert(id, task);
        }
        if let Some(idea) = change.idea {
            self.ideas.insert(idea.idea_id.to_string(), idea);
        }
        if let Some(variant) = change.variant {
            match self.variants.iter_mut().find(|v| v.variant_id == variant.variant_id) {
                Some(stored) => *stored = variant,
                None => self.variants.push(variant),
            }
        }
        if let Some(experiment) = change.experiment {
            self.experiment = experiment;
        }
        let kinds = change.events.iter().map(|event| event.kind).collect();
        self.log.extend(change.events);
        Ok(kinds)
    }

    fn task(&self, id: &str) -> Result<Task, ErrorType> {
        self.tasks.get(id).cloned().ok_or(ErrorType::NotFound)
    }

    pub(in crate::embedded::transition) fn create_task(&mut self, task: Task) -> Kinds {
        let subject = task.subject().map(str::to_owned);
        let variant = subject.as_deref().and_then(|id| self.variant(id)).cloned();
        let idea = match task.kind {
            TaskKind::Execution => subject.clone(),
            _ => variant
                .as_ref()
                .and_then(|v| v.idea_id.as_ref().map(ToString::to_string)),
        };
        let same = |other: &&Task| other.kind == task.kind && other.subject() == subject.as_deref();
        let found = TaskReferences {
            exists: self.tasks.contains_key(task.task_id.as_str()),
            idea: idea.and_then(|id| self.ideas.get(&id).cloned()),
            variant,
            has_live_task: subject.is_some() && self.tasks.values().filter(same).any(|t| t.state.is_live()),
        };
        let result = create_task(&self.experiment, &worker(0), task, found);
        self.store(result)
    }

    pub(in crate::embedded::transition) fn claim(&mut self, id: &str, by: u8) -> Kinds {
        let task = self.task(id)?;
        let own = |target: &Target| target.id.as_str() == worker(by).as_str();
        let eligibility = match task.target.as_ref().is_none_or(own) {
            true => ClaimEligibility::Eligible,
            false => ClaimEligibility::Ineligible,
        };
        let request = ClaimRequest::default();
        let result = claim(&self.experiment, task, &worker(by), eligibility, request, now());
        self.store(result)
    }

    fn references(&self, task: &Task, named: &Submission) -> SubmissionReferences {
        let idea = task.idea_id().and_then(|id| self.ideas.get(id.as_str()).cloned());
        let variant = named
            .variant_id
            .as_ref()
            .and_then(|id| self.variant(id.as_str()).cloned());
        let ideas = named.idea_ids.iter().flatten();
        SubmissionReferences {
            stored: self.submissions.get(task.task_id.as_str()).cloned(),
            idea,
            variant,
            ideas: ideas
                .filter_map(|id| Some((id.clone(), self.ideas.get(id.as_str())?.state)))
                .collect(),
        }
    }

    fn stored_references(&self, task: &Task) -> SubmissionReferences {
        match self.submissions.get(task.task_id.as_str()) {
            Some(stored) => self.references(task, stored),
            None => SubmissionReferences::default(),
        }
    }

    pub(in crate::embedded::transition) fn submit(&mut self, id: &str, by: u8, payload: Submission) -> Kinds {
        let task = self.task(id)?;
        let found = self.references(&task, &payload);
        let result = submit(task, &worker(by), payload, &found, now());
        self.store(result)
    }

    pub(in crate::embedded::transition) fn accept(&mut self, id: &str) -> Kinds {
        let task = self.task(id)?;
        let found = self.stored_references(&task);
        let result = accept(task, found, &self.config, now());
        self.store(result)
    }

    pub(in crate::embedded::transition) fn reject(&mut self, id: &str, reason: RejectReason) -> Kinds {
        let task = self.task(id)?;
        let found = self.stored_references(&task);
        let result = reject(task, found, reason, &self.config, now());
        self.store(result)
    }

    fn starting_variant(&self, task: &Task) -> Option<Variant> {
        let idea = task.idea_id()?;
        let starting = |v: &&Variant| v.idea_id.as_ref() == Some(&idea) && v.status == VariantStatus::Starting;
        self.variants.iter().find(starting).cloned()
    }

    pub(in crate::embedded::transition) fn reclaim(&mut self, id: &str, cause: ReclaimCause) -> Kinds {
        let task = self.task(id)?;
        let starting = self.starting_variant(&task);
        let result = reclaim(task, cause, starting, now());
        self.store(result)
    }

    pub(in crate::embedded::transition) fn reassign(&mut self, id: &str, target: Option<u8>) -> Kinds {
        let task = self.task(id)?;
        let starting = self.starting_variant(&task);
        let request = ReassignRequest {
            new_target: target.map(|n| Target {
                kind: TargetKind::Worker,
                id: (&worker(n)).into(),
            }),
            reason: "so that it is done".to_owned(),
        };
        let result = reassign(task, request, &worker(0), starting, now());
        self.store(result)
    }

    pub(in crate::embedded::transition) fn create_idea(&mut self, idea: Idea) -> Kinds {
        let exists = self.ideas.contains_key(idea.idea_id.as_str());
        let result = create_idea(&self.experiment, &worker(0), idea, exists);
        self.store(result)
    }

    pub(in crate::embedded::transition) fn mark_ready(&mut self, id: &str) -> Kinds {
        let result = mark_ready(self.ideas.get(id).cloned().ok_or(ErrorType::NotFound)?);
        self.store(result)
    }

    pub(in crate::embedded::transition) fn create_variant(&mut self, variant: Variant) -> Kinds {
        let found = VariantReferences {
            exists: self.variant(variant.variant_id.as_str()).is_some(),
            idea_exists: variant
                .idea_id
                .as_ref()
                .is_some_and(|id| self.ideas.contains_key(id.as_str())),
            branch_taken: variant.branch.is_some() && self.variants.iter().any(|v| v.branch == variant.branch),
        };
        let result = create_variant(&self.experiment, &self.config, variant, &found, now());
        self.store(result)
    }

    pub(in crate::embedded::transition) fn declare_evaluation_error(&mut self, id: &str) -> Kinds {
        let variant = self.variant(id).cloned().ok_or(ErrorType::NotFound)?;
        let result = declare_evaluation_error(variant, now());
        self.store(result)
    }

    pub(in crate::embedded::transition) fn integrate(&mut self, id: &str, commit: CommitSha) -> Kinds {
        let result = integrate(self.variant(id).cloned().ok_or(ErrorType::NotFound)?, commit);
        self.store(result)
    }

    pub(in crate::embedded::transition) fn terminate(&mut self) -> Kinds {
        let request = TerminateRequest {
            reason: "enough".to_owned(),
        };
        let change = terminate(self.experiment.clone(), request, &worker(0));
        self.store(Ok(change))
    }
}
