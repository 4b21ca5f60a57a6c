//! The number of tasks of each kind in each state.

use super::rows::TaskRow;
use crate::protocol::{TaskKind, TaskState};

/// Tasks by kind and state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskCounts([[u64; TaskState::ALL.len()]; TaskKind::ALL.len()]);

impl TaskCounts {
    /// Tasks of one kind in one state.
    pub fn of(&self, kind: TaskKind, state: TaskState) -> u64 {
        self.0[kind as usize][state as usize]
    }

    /// Tasks of one kind.
    pub fn of_kind(&self, kind: TaskKind) -> u64 {
        self.0[kind as usize].iter().sum()
    }

    /// Tasks in one state.
    pub fn in_state(&self, state: TaskState) -> u64 {
        self.0.iter().map(|states| states[state as usize]).sum()
    }

    /// Every task.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// The count that a row belongs to.
    pub(super) fn slot(&mut self, row: &TaskRow) -> &mut u64 {
        &mut self.0[row.kind as usize][row.state as usize]
    }
}
