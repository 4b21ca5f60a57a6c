//! State as shape, word and colour, in that order, the same on every page.

use maud::{Markup, Render, html};

use crate::protocol::{ExperimentState, IdeaState, TaskState, VariantStatus};

/// The shape of a state. Shapes differ in outline, so that they tell states apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Waiting: an empty ring.
    PendingHollow,
    /// Started: half a disc.
    ClaimedHalf,
    /// Submitted: three quarters of a disc.
    SubmittedThreeQuarters,
    /// Succeeded: a full disc.
    Filled,
    /// Failed: a cross.
    Cross,
    /// Could not be evaluated: a triangle.
    Triangle,
    /// Terminated: a square.
    Square,
    /// Nothing is known yet: a broken ring.
    Unknown,
}

impl Mark {
    /// Its class. The sheet draws the shape, so that a row that shows a state carries a name and not a drawing.
    fn class(self) -> &'static str {
        match self {
            Self::PendingHollow => "mark-pending",
            Self::ClaimedHalf => "mark-claimed",
            Self::SubmittedThreeQuarters => "mark-submitted",
            Self::Filled => "mark-filled",
            Self::Cross => "mark-cross",
            Self::Triangle => "mark-triangle",
            Self::Square => "mark-square",
            Self::Unknown => "mark-unknown",
        }
    }
}

/// A mark alone, where the word stands elsewhere.
impl Render for Mark {
    fn render(&self) -> Markup {
        html! { i class={ "mark " (self.class()) } {} }
    }
}

impl From<TaskState> for Mark {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Pending => Self::PendingHollow,
            TaskState::Claimed => Self::ClaimedHalf,
            TaskState::Submitted => Self::SubmittedThreeQuarters,
            TaskState::Completed => Self::Filled,
            TaskState::Failed => Self::Cross,
        }
    }
}

impl From<VariantStatus> for Mark {
    fn from(status: VariantStatus) -> Self {
        match status {
            VariantStatus::Starting => Self::ClaimedHalf,
            VariantStatus::Success => Self::Filled,
            VariantStatus::Error => Self::Cross,
            VariantStatus::EvaluationError => Self::Triangle,
        }
    }
}

impl From<IdeaState> for Mark {
    fn from(state: IdeaState) -> Self {
        match state {
            IdeaState::Drafting => Self::PendingHollow,
            IdeaState::Ready => Self::ClaimedHalf,
            IdeaState::Dispatched => Self::SubmittedThreeQuarters,
            IdeaState::Completed => Self::Filled,
        }
    }
}

impl From<ExperimentState> for Mark {
    fn from(state: ExperimentState) -> Self {
        match state {
            ExperimentState::Running => Self::Filled,
            ExperimentState::Terminated => Self::Square,
        }
    }
}

/// A state chip: shape, word, colour.
pub(crate) fn state(mark: Mark, word: &str) -> Markup {
    html! { span class={ "state " (mark.class()) } { (word) } }
}

/// A state chip of a protocol state; underscores of the wire read as spaces.
pub(crate) fn state_of<S: Into<Mark> + std::fmt::Display>(of: S) -> Markup {
    let word = of.to_string().replace('_', " ");
    state(of.into(), &word)
}

/// A state chip of an experiment.
pub(crate) fn experiment_state(of: ExperimentState) -> Markup {
    state(
        of.into(),
        match of {
            ExperimentState::Running => "running",
            ExperimentState::Terminated => "terminated",
        },
    )
}
