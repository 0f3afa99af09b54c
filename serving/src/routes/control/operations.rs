//! What was asked for, and when it is done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// The most operations that are remembered.
pub(super) const OPERATIONS_MAX: usize = 256;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Pause,
    Resume,
    Checkpoint,
    Stop,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Checkpoint => "checkpoint",
            Action::Stop => "stop",
        }
    }
}

/// Something that was asked for.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) number: u64,
    action: Action,
    scope: String,
    pub(super) goal: Goal,
    pub(super) status: OperationStatus,
}

/// How far it is, as was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperationStatus {
    /// It was asked for.
    Running,
    /// It was seen.
    Done,
    /// Something else was asked for of the same before it was seen.
    Superseded,
}

impl OperationStatus {
    fn name(self) -> &'static str {
        match self {
            OperationStatus::Running => "running",
            OperationStatus::Done => "done",
            OperationStatus::Superseded => "superseded",
        }
    }
}

/// When it is done.
#[derive(Clone)]
pub(super) enum Goal {
    /// All of these sources are paused, or none of them is.
    Paused(Vec<String>, bool),
    /// The checkpoint of this request is there.
    Checkpoint(u64),
    /// Never seen: the process ends.
    End,
}

impl Goal {
    /// Whether the other one may never be seen once this is asked for: of one source, the opposite.
    fn supersedes(&self, other: &Goal) -> bool {
        match (self, other) {
            (Goal::Paused(own, pauses), Goal::Paused(others, paused)) => {
                pauses != paused && others.iter().any(|source| own.contains(source))
            }
            _ => false,
        }
    }
}

/// The newest operations.
#[derive(Clone, Default)]
pub(super) struct Operations(Arc<Mutex<(u64, VecDeque<Operation>)>>);

impl Operations {
    pub(super) fn begin(&self, action: Action, scope: String, goal: Goal) -> Operation {
        let mut all = self.lock();
        all.0 += 1;
        for before in &mut all.1 {
            if before.status == OperationStatus::Running && goal.supersedes(&before.goal) {
                before.status = OperationStatus::Superseded;
            }
        }
        let status = OperationStatus::Running;
        let operation = Operation { number: all.0, action, scope, goal, status };
        all.1.push_back(operation.clone());
        if all.1.len() > OPERATIONS_MAX {
            all.1.pop_front();
        }
        operation
    }

    pub(super) fn find(&self, number: u64) -> Option<Operation> {
        self.lock().1.iter().find(|operation| operation.number == number).cloned()
    }

    /// Remembers that one was seen to be done.
    pub(super) fn finish(&self, number: u64) {
        for operation in &mut self.lock().1 {
            if operation.number == number {
                operation.status = OperationStatus::Done;
            }
        }
    }

    /// Their numbers, as texts.
    pub(super) fn names(&self) -> Vec<String> {
        self.lock().1.iter().map(|operation| operation.number.to_string()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<Operation>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation {
    /// Where it can be watched.
    pub(super) fn path(&self) -> String {
        format!("/streaming/operations/{}", self.number)
    }

    /// What is shown of it.
    pub(super) fn json(&self) -> Value {
        let Operation { number, action, scope, goal, status } = self;
        let target = match goal {
            Goal::Paused(_, true) => "paused",
            Goal::Paused(_, false) => "running",
            Goal::Checkpoint(_) => "saved",
            Goal::End => "stopped",
        };
        json!({
            "operation": number.to_string(),
            "path": self.path(),
            "action": action.name(),
            "scope": scope,
            "target": target,
            "status": status.name(),
        })
    }
}
