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
    fn class(self) -> &'static str {
        match self {
            Self::PendingHollow => "mark mark-pending",
            Self::ClaimedHalf => "mark mark-claimed",
            Self::SubmittedThreeQuarters => "mark mark-submitted",
            Self::Filled => "mark mark-filled",
            Self::Cross => "mark mark-cross",
            Self::Triangle => "mark mark-triangle",
            Self::Square => "mark mark-square",
            Self::Unknown => "mark mark-unknown",
        }
    }
}

impl Render for Mark {
    fn render(&self) -> Markup {
        html! {
            svg class=(self.class()) viewBox="0 0 12 12" aria-hidden="true" focusable="false" {
                @match self {
                    Self::PendingHollow => { circle class="ring" cx="6" cy="6" r="4.25" {} }
                    Self::ClaimedHalf => {
                        circle class="ring" cx="6" cy="6" r="4.25" {}
                        path class="fill" d="M6 1.75a4.25 4.25 0 0 1 0 8.5z" {}
                    }
                    Self::SubmittedThreeQuarters => {
                        circle class="ring" cx="6" cy="6" r="4.25" {}
                        path class="fill" d="M6 6V1.75A4.25 4.25 0 1 1 1.75 6z" {}
                    }
                    Self::Filled => { circle class="fill" cx="6" cy="6" r="5" {} }
                    Self::Cross => { path class="stroke" d="M2.25 2.25l7.5 7.5m0-7.5l-7.5 7.5" {} }
                    Self::Triangle => { path class="fill" d="M6 1l5.25 9.75H.75z" {} }
                    Self::Square => { rect class="fill" x="1.5" y="1.5" width="9" height="9" rx="1" {} }
                    Self::Unknown => { circle class="ring broken" cx="6" cy="6" r="4.25" {} }
                }
            }
        }
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
    html! { span class="state" { (mark) span { (word) } } }
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
