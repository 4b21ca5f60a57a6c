//! The manifest (`ch10 §5`): the versions, the experiment, the time of the export, and the counts.

use serde::{Deserialize, Serialize};

use super::{Member, invalid};
use crate::embedded::{ProtocolError, ProtocolResult, strict_json};
use crate::protocol::*;

/// The only format that is written and read.
pub(crate) const FORMAT_VERSION: &str = "1";
const SPEC_VERSION: &str = "v0";

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) checkpoint_format_version: String,
    pub(super) spec_version: String,
    /// The exported experiment. It is imported under another id unless the caller asks for this one.
    pub(super) experiment_id: ExperimentId,
    /// The text as written, since clients compare it to find out whether an import succeeded (`ch10 §10`).
    pub(super) exported_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exporter: Option<Extra>,
    pub(super) requires_credential_reissue: bool,
    pub(super) counts: Counts,
    pub(super) files: Files,
    #[serde(flatten)]
    extra: Extra,
}

/// How many lines each file has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) tasks: u64,
    pub(super) ideas: u64,
    pub(super) variants: u64,
    pub(super) submissions: u64,
    pub(super) events: u64,
    pub(super) workers: u64,
    pub(super) groups: u64,
}

impl Counts {
    /// The number of lines in all files.
    pub(super) fn total(&self) -> u64 {
        self.tasks + self.ideas + self.variants + self.submissions + self.events + self.workers + self.groups
    }

    /// A sentence about the first count that differs from the lines that were read.
    pub(super) fn difference(&self, counted: &Self) -> Option<String> {
        let pairs = [
            (Member::Tasks, self.tasks, counted.tasks),
            (Member::Ideas, self.ideas, counted.ideas),
            (Member::Variants, self.variants, counted.variants),
            (Member::Submissions, self.submissions, counted.submissions),
            (Member::Events, self.events, counted.events),
            (Member::Workers, self.workers, counted.workers),
            (Member::Groups, self.groups, counted.groups),
        ];
        let (member, said, there) = pairs.into_iter().find(|(_, said, there)| said != there)?;
        let name = member.name();
        let kind = name.strip_suffix(".jsonl").unwrap_or(name);
        Some(format!("counts say {said} {kind}, and {name} has {there}"))
    }
}

/// The name of each member; v0 has one fixed name for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Files {
    experiment_config: String,
    experiment: String,
    tasks: String,
    ideas: String,
    variants: String,
    submissions: String,
    events: String,
    workers: String,
    groups: String,
    repo_bundle: String,
    artifacts_dir: String,
}

impl Default for Files {
    fn default() -> Self {
        let name = |member: Member| member.name().to_owned();
        Self {
            experiment_config: name(Member::Config),
            experiment: name(Member::Experiment),
            tasks: name(Member::Tasks),
            ideas: name(Member::Ideas),
            variants: name(Member::Variants),
            submissions: name(Member::Submissions),
            events: name(Member::Events),
            workers: name(Member::Workers),
            groups: name(Member::Groups),
            repo_bundle: name(Member::Bundle),
            artifacts_dir: "artifacts/sha256".to_owned(),
        }
    }
}

impl Manifest {
    pub(super) fn new(experiment_id: ExperimentId, exported_at: Timestamp, counts: Counts) -> Self {
        let mut exporter = Extra::new();
        exporter.insert(
            "implementation".to_owned(),
            concat!("switchboard/", env!("CARGO_PKG_VERSION")).into(),
        );
        exporter.insert("atomicity_mechanism".to_owned(), "transactional_snapshot".into());
        Self {
            checkpoint_format_version: FORMAT_VERSION.to_owned(),
            spec_version: SPEC_VERSION.to_owned(),
            experiment_id,
            exported_at: exported_at.to_string(),
            exporter: Some(exporter),
            requires_credential_reissue: true,
            counts,
            files: Files::default(),
            extra: Extra::new(),
        }
    }

    /// Reads a manifest of the version that this program knows. The shape is checked first, then the version of the
    /// format, then that of the protocol.
    pub(super) fn read(text: &[u8]) -> ProtocolResult<Self> {
        let fault = |detail: &dyn std::fmt::Display| invalid(format!("manifest.json: {detail}"));
        let raw: serde_json::Value = serde_json::from_slice(text).map_err(|error| fault(&error))?;
        let manifest: Self = strict_json::from_value(&raw).map_err(|detail| fault(&detail))?;
        if let Err(error) = manifest.exported_at.parse::<Timestamp>() {
            return Err(fault(&format!("exported_at {error}")));
        }
        let (format, spec) = (&manifest.checkpoint_format_version, &manifest.spec_version);
        if format.is_empty() || spec.is_empty() {
            return Err(fault(&"a version must not be empty"));
        }
        if format != FORMAT_VERSION {
            return Err(ProtocolError::new(
                ErrorType::UnsupportedCheckpointVersion,
                format!("the archive has format {format:?}, and only {FORMAT_VERSION:?} is read here"),
            ));
        }
        if spec != SPEC_VERSION {
            return Err(ProtocolError::new(
                ErrorType::SpecVersionMismatch,
                format!("the archive is of EDEN {spec:?}, and this store is of {SPEC_VERSION:?}"),
            ));
        }
        let expected = Files {
            // Any name will do, since nothing is read from there.
            artifacts_dir: manifest.files.artifacts_dir.clone(),
            ..Files::default()
        };
        if manifest.files != expected || expected.artifacts_dir.is_empty() {
            return Err(fault(&"files must have the names that the format gives them"));
        }
        Ok(manifest)
    }
}
