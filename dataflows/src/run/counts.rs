//! What a start of a job has counted. A job that goes on reads the commits of earlier starts again, which counts them
//! again: [`Counts::since`] leaves those out.

use market::{IdScope, RejectionReason};

use crate::ingest::http_ingest::HTTP_SOURCE;
use crate::telemetry::{Metrics, ReusedIds, Totals};

/// Names of the reasons that are no [`RejectionReason`].
pub(super) const TOO_LATE: &str = "too_late";
pub(super) const CONFLICT: &str = "conflict";

/// Counts up to some moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Records by outcome.
    pub(super) totals: Totals,
    /// Rows that were refused, by reason.
    pub(super) refused: Vec<RefusedFor>,
    /// Partitions that broke off.
    pub(super) truncated: u64,
    /// Scopes that use ids again.
    pub(super) reused: Vec<ReusedIds>,
    /// Commits.
    pub(super) commits: u64,
}

/// Rows that were refused for a reason.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedFor {
    pub(super) reason: &'static str,
    pub(super) rows: u64,
    /// How many of them clients have posted.
    pub(super) posted: u64,
}

impl Counts {
    /// Those of a job whose first `commits` commits are complete.
    pub(super) fn of(metrics: &Metrics, commits: u64) -> Counts {
        let totals = metrics.totals();
        let refused = |reason, rows, posted| RefusedFor { reason, rows, posted };
        let mut all = vec![
            refused(TOO_LATE, totals.late, metrics.late_of(HTTP_SOURCE)),
            refused(CONFLICT, totals.conflicts, metrics.conflicts_of(HTTP_SOURCE)),
        ];
        all.extend(RejectionReason::ALL.map(|reason| {
            let posted = metrics.dead_of_source(HTTP_SOURCE, reason);
            refused(reason.name(), metrics.dead_of(reason), posted)
        }));
        Counts {
            totals,
            refused: all,
            truncated: metrics.dead_of(RejectionReason::Truncated),
            reused: metrics.reused_ids(),
            commits,
        }
    }

    /// What was counted since an earlier moment.
    pub(super) fn since(&self, before: &Counts) -> Counts {
        let mut since = self.clone();
        since.totals = self.totals.since(&before.totals);
        for (own, earlier) in since.refused.iter_mut().zip(&before.refused) {
            own.rows -= earlier.rows;
            own.posted -= earlier.posted;
        }
        since.truncated -= before.truncated;
        since.commits -= before.commits;
        let scope = |of: &ReusedIds| -> IdScope { of.example.kept.scope };
        for own in &mut since.reused {
            let earlier = before.reused.iter().find(|earlier| scope(earlier) == scope(own));
            own.conflicts -= earlier.map_or(0, |earlier| earlier.conflicts);
        }
        since.reused.retain(|own| own.conflicts > 0);
        since
    }
}
