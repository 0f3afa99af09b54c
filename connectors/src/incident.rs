//! What happens to partitions, besides their rows.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// Something that happened to a partition, for people and for the view `incidents`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What.
    pub kind: IncidentKind,
    /// Which rows were lost and how many, if anything of that is known.
    pub lost: Option<LostRows>,
    /// In words, with the message of the server.
    pub detail: String,
}

impl Incident {
    /// Something that its operator should know.
    pub fn warning(detail: String) -> Incident {
        Incident { kind: IncidentKind::Warning, lost: None, detail }
    }

    /// Something about a file that its operator should know.
    pub(crate) fn warning_of(file: &str, what: impl Display) -> Incident {
        Incident::warning(format!("{file}: {what}"))
    }
}

/// Rows that were lost, as far as they are known. Between two positions there need not be as many rows: ids of Redis
/// have holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRows {
    /// The first and the last position that they may have had.
    pub positions: Option<(u64, u64)>,
    /// How many they were.
    pub rows: Option<u64>,
}

impl LostRows {
    /// Rows of a partition in which each position has one: as many as there are from the first to the last.
    pub fn of_positions(first: u64, last: u64) -> LostRows {
        let rows = last.checked_sub(first).map_or(0, |more| more.saturating_add(1));
        LostRows { positions: Some((first, last)), rows: Some(rows) }
    }
}

/// What may happen to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IncidentKind {
    /// Its server was reached; again, if it was lost before.
    Connected,
    /// Its server was lost; it is tried again and again.
    Disconnected,
    /// Rows that were there, or may have been, cannot be read any more.
    Gap,
    /// It cannot be read; it is opened again and again, after the last row that was read.
    Failed,
    /// Nothing was heard of it for `give_up_after`: its rows are not waited for any more.
    GivenUp,
    /// Nothing is lost, and its operator should know.
    Warning,
}

impl IncidentKind {
    /// All of them.
    pub const ALL: [IncidentKind; 6] = [
        IncidentKind::Connected,
        IncidentKind::Disconnected,
        IncidentKind::Gap,
        IncidentKind::Failed,
        IncidentKind::GivenUp,
        IncidentKind::Warning,
    ];

    /// The names of all.
    pub const NAMES: [&'static str; 6] = {
        let mut names = [""; 6];
        let mut at = 0;
        while at < names.len() {
            names[at] = IncidentKind::ALL[at].name();
            at += 1;
        }
        names
    };

    /// The name used in rows and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            IncidentKind::Connected => "connected",
            IncidentKind::Disconnected => "disconnected",
            IncidentKind::Gap => "gap",
            IncidentKind::Failed => "failed",
            IncidentKind::GivenUp => "given_up",
            IncidentKind::Warning => "warning",
        }
    }
}
