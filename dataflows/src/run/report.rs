//! The end of a run, and its report.

use std::sync::Arc;
use std::time::Duration;

use rows::{View, ViewReader};

use super::{Job, RunError, RunOptions};
use crate::ingest::dispatcher::Resume;
use crate::jobs::candles::OPERATORS;
use crate::output::{digest, write_views};
use crate::publish::{BoardReader, TRADE_LOG, ViewDigest};
use crate::telemetry::Totals;
use crate::views::VIEWS;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Records by outcome.
    pub totals: Totals,
    /// The last commit.
    pub commits: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Per view that a replay gives again, its rows (of logs, those ever appended) and, if asked for, its digests.
    pub views: Vec<(&'static str, u64, Option<ViewDigest>)>,
    /// Per worker, how many instruments its ledger held at the end.
    pub instruments_held: Vec<usize>,
    /// Where a job restored from the saved states goes on.
    pub saved: Option<Resume>,
    /// Whether the input ended; if not, the run was stopped.
    pub complete: bool,
    /// Whether the recording was cut, so that it may lack the end of the run.
    pub cut: bool,
}

impl Job {
    /// Completes everything in flight, stops the workers, and reports.
    pub(super) fn finish(
        self,
        sequenced: Result<bool, RunError>,
        options: &RunOptions,
    ) -> Result<Report, RunError> {
        let Job { board, metrics, catalog, engine, dispatcher, began, results, .. } = self;
        let finished = dispatcher.finish();
        // The error of a failed worker explains more than the errors of threads that waited for it.
        engine.join()?;
        let complete = sequenced?;
        let saved = finished?;
        let elapsed = began.elapsed();

        let reader = BoardReader::new(Arc::clone(&board));
        if let Some(folder) = &results {
            write_views(&reader, &catalog, folder, |view| options.writes(view))?;
        }
        for view in VIEWS {
            let (dropped, limit, bytes_max) = match view.name {
                TRADE_LOG => {
                    (board.trade_log.dropped(), "trade_log_bytes", board.trade_log.bytes_max())
                }
                name => (board.logs.dropped(name), "log_bytes", board.logs.bytes_max()),
            };
            if dropped > 0 {
                tracing::warn!(
                    "the oldest {dropped} rows of `{}` are gone: it exceeded `limits.{limit}` = {bytes_max}",
                    view.name,
                );
            }
        }
        let is_reported = |view: &&View| {
            view.recorded && (view.name != TRADE_LOG || board.trade_log.is_enabled())
        };
        let views = VIEWS.iter().filter(is_reported).map(|view| {
            let digest = options.digest.then(|| digest(&board, &reader, &catalog, view));
            (view.name, reader.count(view), digest)
        });
        let held = |worker| board.gauges.get(&(worker, OPERATORS[0])).map_or(0, |g| g.keys());
        Ok(Report {
            totals: metrics.totals(),
            commits: reader.frontier().commit.map_or(0, |commit| commit.0 + 1),
            elapsed,
            views: views.collect(),
            instruments_held: (0..board.workers()).map(held).collect(),
            saved,
            complete,
            cut: false,
        })
    }
}
