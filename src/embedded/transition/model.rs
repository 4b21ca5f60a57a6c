//! An experiment in memory, for tests: it finds for a transition what the handlers find, and keeps what it decides.

use std::collections::BTreeMap;

use super::*;

pub(super) const NOW: &str = "2026-01-02T03:04:05.000Z";

/// Kinds of the events of one commit, or the type of the refusal.
pub(super) type Outcome = Result<Vec<&'static str>, ErrorType>;

pub(super) struct Model {
    pub(super) experiment: Experiment,
    pub(super) config: ExperimentConfig,
    pub(super) tasks: BTreeMap<String, Task>,
    pub(super) submissions: BTreeMap<String, Submission>,
    pub(super) ideas: BTreeMap<String, Idea>,
    /// In the order of insertion, as the storage has them.
    pub(super) variants: Vec<Variant>,
    pub(super) log: Vec<Draft>,
}

pub(super) fn worker(n: u8) -> WorkerId {
    format!("wkr_{n:0>26}").parse().expect("a worker id")
}

pub(super) fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a commit")
}

pub(super) fn now() -> Timestamp {
    NOW.parse().expect("an instant")
}

pub(super) fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("well-formed")
}

impl Model {
    pub(super) fn new() -> Self {
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

    pub(super) fn new_task(&self, id: &str, kind: TaskKind, subject: &str) -> Task {
        let payload = match kind {
            TaskKind::Ideation => serde_json::json!({ "experiment_id": self.experiment.experiment_id }),
            TaskKind::Execution => serde_json::json!({ "idea_id": subject }),
            TaskKind::Evaluation => serde_json::json!({ "variant_id": subject }),
        };
        of(serde_json::json!({
            "task_id": id, "kind": kind, "state": "pending", "payload": payload, "created_at": NOW, "updated_at": NOW,
        }))
    }

    pub(super) fn new_idea(&self, id: &str) -> Idea {
        of(serde_json::json!({
            "idea_id": id, "experiment_id": self.experiment.experiment_id, "slug": "a", "priority": 1,
            "parent_commits": [sha('0')], "artifacts_uri": "eden://a/1", "state": "drafting", "created_at": NOW,
        }))
    }

    pub(super) fn new_variant(&self, id: &str, idea: &str) -> Variant {
        of(serde_json::json!({
            "variant_id": id, "experiment_id": self.experiment.experiment_id, "idea_id": idea, "status": "starting",
            "parent_commits": [sha('0')], "started_at": NOW,
        }))
    }

    pub(super) fn variant(&self, id: &str) -> Option<&Variant> {
        self.variants.iter().find(|v| v.variant_id.as_str() == id)
    }

    /// Keeps a change, or reports the refusal.
    fn keep(&mut self, outcome: Result<Change, Refusal>) -> Outcome {
        let change = outcome.map_err(|refusal| refusal.kind)?;
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
                Some(kept) => *kept = variant,
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

    pub(super) fn create_task(&mut self, task: Task) -> Outcome {
        let subject = task.subject().map(str::to_owned);
        let variant = subject.as_deref().and_then(|id| self.variant(id)).cloned();
        let idea = match task.kind {
            TaskKind::Execution => subject.clone(),
            _ => variant
                .as_ref()
                .and_then(|v| v.idea_id.as_ref().map(ToString::to_string)),
        };
        let same = |other: &&Task| other.kind == task.kind && other.subject() == subject.as_deref();
        let found = Referenced {
            exists: self.tasks.contains_key(task.task_id.as_str()),
            idea: idea.and_then(|id| self.ideas.get(&id).cloned()),
            variant,
            live: subject.is_some() && self.tasks.values().filter(same).any(|t| t.state.is_live()),
        };
        let outcome = create_task(&self.experiment, &worker(0), task, found);
        self.keep(outcome)
    }

    pub(super) fn claim(&mut self, id: &str, by: u8) -> Outcome {
        let task = self.task(id)?;
        let own = |target: &Target| target.id.as_str() == worker(by).as_str();
        let standing = match task.target.as_ref().is_none_or(own) {
            true => Standing::Eligible,
            false => Standing::Ineligible,
        };
        let request = ClaimRequest::default();
        let outcome = claim(&self.experiment, task, &worker(by), standing, request, now());
        self.keep(outcome)
    }

    fn cited(&self, task: &Task, named: &Submission) -> Cited {
        let idea = task.idea_id().and_then(|id| self.ideas.get(id.as_str()).cloned());
        let variant = named
            .variant_id
            .as_ref()
            .and_then(|id| self.variant(id.as_str()).cloned());
        let ideas = named.idea_ids.iter().flatten();
        Cited {
            stored: self.submissions.get(task.task_id.as_str()).cloned(),
            idea,
            variant,
            ideas: ideas
                .filter_map(|id| Some((id.clone(), self.ideas.get(id.as_str())?.state)))
                .collect(),
        }
    }

    fn judged(&self, task: &Task) -> Cited {
        match self.submissions.get(task.task_id.as_str()) {
            Some(stored) => self.cited(task, stored),
            None => Cited::default(),
        }
    }

    pub(super) fn submit(&mut self, id: &str, by: u8, payload: Submission) -> Outcome {
        let task = self.task(id)?;
        let cited = self.cited(&task, &payload);
        let outcome = submit(task, &worker(by), payload, &cited, now());
        self.keep(outcome)
    }

    pub(super) fn accept(&mut self, id: &str) -> Outcome {
        let task = self.task(id)?;
        let cited = self.judged(&task);
        let outcome = accept(task, cited, &self.config, now());
        self.keep(outcome)
    }

    pub(super) fn reject(&mut self, id: &str, reason: RejectReason) -> Outcome {
        let task = self.task(id)?;
        let cited = self.judged(&task);
        let outcome = reject(task, cited, reason, &self.config, now());
        self.keep(outcome)
    }

    fn abandoned(&self, task: &Task) -> Option<Variant> {
        let idea = task.idea_id()?;
        let starting = |v: &&Variant| v.idea_id.as_ref() == Some(&idea) && v.status == VariantStatus::Starting;
        self.variants.iter().find(starting).cloned()
    }

    pub(super) fn reclaim(&mut self, id: &str, cause: ReclaimCause) -> Outcome {
        let task = self.task(id)?;
        let starting = self.abandoned(&task);
        let outcome = reclaim(task, cause, starting, now());
        self.keep(outcome)
    }

    pub(super) fn reassign(&mut self, id: &str, target: Option<u8>) -> Outcome {
        let task = self.task(id)?;
        let starting = self.abandoned(&task);
        let request = ReassignRequest {
            new_target: target.map(|n| Target {
                kind: TargetKind::Worker,
                id: (&worker(n)).into(),
            }),
            reason: "so that it is done".to_owned(),
        };
        let outcome = reassign(task, request, &worker(0), starting, now());
        self.keep(outcome)
    }

    pub(super) fn create_idea(&mut self, idea: Idea) -> Outcome {
        let exists = self.ideas.contains_key(idea.idea_id.as_str());
        let outcome = create_idea(&self.experiment, &worker(0), idea, exists);
        self.keep(outcome)
    }

    pub(super) fn mark_ready(&mut self, id: &str) -> Outcome {
        let outcome = mark_ready(self.ideas.get(id).cloned().ok_or(ErrorType::NotFound)?);
        self.keep(outcome)
    }

    pub(super) fn create_variant(&mut self, variant: Variant) -> Outcome {
        let around = Surroundings {
            exists: self.variant(variant.variant_id.as_str()).is_some(),
            idea_exists: variant
                .idea_id
                .as_ref()
                .is_some_and(|id| self.ideas.contains_key(id.as_str())),
            branch_taken: variant.branch.is_some() && self.variants.iter().any(|v| v.branch == variant.branch),
        };
        let outcome = create_variant(&self.experiment, &self.config, variant, &around, now());
        self.keep(outcome)
    }

    pub(super) fn declare_evaluation_error(&mut self, id: &str) -> Outcome {
        let variant = self.variant(id).cloned().ok_or(ErrorType::NotFound)?;
        let outcome = declare_evaluation_error(variant, now());
        self.keep(outcome)
    }

    pub(super) fn integrate(&mut self, id: &str, commit: CommitSha) -> Outcome {
        let outcome = integrate(self.variant(id).cloned().ok_or(ErrorType::NotFound)?, commit);
        self.keep(outcome)
    }

    pub(super) fn terminate(&mut self) -> Outcome {
        let request = TerminateRequest {
            reason: "enough".to_owned(),
        };
        let change = terminate(self.experiment.clone(), request, &worker(0));
        self.keep(Ok(change))
    }
}
