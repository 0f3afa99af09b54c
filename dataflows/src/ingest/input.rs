//! The input of a sequencer: rows, evidence that nothing is left to read, and control events.
//!
//! A control event is part of the commit that is open when it takes effect, as a [`ControlRecord`], and so of a
//! recording. It decides no value: what a commit computes follows from its records and its binding alone.

use std::sync::Arc;
use std::time::Instant;

use connectors::{Incident, IncidentKind, LostRows, PartitionState, Row};
use market::EventTime;
use operators::heap;
use serde::{Deserialize, Serialize};

use super::idempotency::KeyedPost;

/// What a source sends to a sequencer. Events of one partition arrive in the order in which they were sent.
#[derive(Debug)]
pub enum SourceEvent {
    /// Rows that were read.
    Rows {
        /// The partition's number.
        partition: u32,
        /// In ascending position; at least one.
        rows: Vec<Row>,
        /// When they were read, or when they were due if the source is played.
        received_at: Instant,
    },
    /// The rows of a request of a client. One commit binds them all, so that a crash leaves all of them or none.
    Posted {
        /// In ascending position; at least one.
        rows: Vec<Row>,
        /// When they were received.
        received_at: Instant,
        /// The request, if it may come again.
        post: Option<Arc<KeyedPost>>,
    },
    /// The partition's reader was connected and had nothing left to read behind the rows that it sent before.
    Drained {
        /// The partition's number.
        partition: u32,
        /// When, by the system's time.
        at: EventTime,
    },
    /// What happened to the source, or was decided about it.
    Control(ControlEvent),
}

impl SourceEvent {
    /// How many bytes its rows take, but for the few that are no records or name what nobody knows.
    pub fn heap_bytes(&self) -> usize {
        match self {
            SourceEvent::Rows { rows, .. } | SourceEvent::Posted { rows, .. } => {
                heap::vec::<Row>(rows.capacity())
            }
            SourceEvent::Drained { .. } | SourceEvent::Control(_) => 0,
        }
    }
}

/// What happens to a source, or is decided about it, besides its rows.
///
/// Recordings hold these events by the place of their variant, so a new one is added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlEvent {
    /// A partition is there, and watermarks wait for it. It sends rows only after this, unless it was there when the
    /// run began.
    Opened {
        /// The partition's number.
        partition: u32,
    },
    /// A partition sends nothing more.
    Ended {
        /// The partition's number.
        partition: u32,
    },
    /// The connection of a partition changed, or rows of it were lost.
    Link {
        /// The partition's number.
        partition: u32,
        /// What happened.
        #[serde(with = "RecordedIncident")]
        incident: Incident,
    },
    /// The sequencer takes no event of the source from now on.
    Paused,
    /// The sequencer takes events of the source again.
    Resumed,
    /// Each partition of the source was at its end once: all that there was when the run began has been read.
    CaughtUp,
    /// Another process needs this to read a partition on behind the rows that follow.
    State {
        /// The partition's number.
        partition: u32,
        /// Only the source can read it.
        state: PartitionState,
    },
}

/// A control event in a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRecord {
    /// The source's number.
    pub source: u32,
    /// What happened to it.
    pub event: ControlEvent,
}

/// How recordings hold an [`Incident`]: connectors do not know recordings.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Incident")]
struct RecordedIncident {
    #[serde(with = "RecordedKind")]
    kind: IncidentKind,
    lost: Option<LostRows>,
    detail: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "IncidentKind")]
enum RecordedKind {
    Connected,
    Disconnected,
    Gap,
    Failed,
    GivenUp,
    Warning,
}
