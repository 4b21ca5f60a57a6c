use crate::protocol::ExperimentId;

/// Asks the registry's feed to read again what it may not hear of otherwise.
pub(in crate::live) enum RefreshRequest {
    /// The experiment changed, and so did its entry at the control plane.
    Entry(ExperimentId),
    /// Its task store answers differently than before. The control plane knows nothing of that.
    TaskStore(ExperimentId),
}
