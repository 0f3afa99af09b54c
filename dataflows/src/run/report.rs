//! The end of a run, and its report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use market::Generation;
use rows::ViewReader;

use super::counts::Counts;
use super::{BarSummary, Job, Refusals, RunError, RunOptions};
use crate::delivery::Undelivered;
use crate::ingest::dispatcher::{Dispatched, Resume};
use crate::jobs::LEDGER;
use crate::output::{Results, WrittenFile, digest};
use crate::publish::{BoardReader, ViewDigest};
use crate::telemetry::Totals;
use crate::views::CandlesView;
use crate::views::kinds::KeyedView;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run; of a recording, the one that was recorded.
    pub run: Generation,
    /// Records by outcome; of a job that went on, those of this start.
    pub totals: Totals,
    /// The commits of the job.
    pub commits: u64,
    /// How many of them are of earlier starts.
    pub restored: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Per view that a replay gives again, its rows (of logs, those ever appended) and, if asked for, its digests.
    pub views: Vec<(&'static str, u64, Option<ViewDigest>)>,
    /// What its bars come to, if asked for and if it has any.
    pub bars: Option<BarSummary>,
    /// The files of results that were written, and the folder.
    pub files: Option<(PathBuf, Vec<WrittenFile>)>,
    /// Per worker, how many instruments its ledger held at the end.
    pub instruments_held: Vec<usize>,
    /// Where a job restored from the saved states goes on.
    pub saved: Option<Resume>,
    /// Whether the input ended; if not, the run was stopped.
    pub complete: bool,
    /// What was refused.
    pub refusals: Refusals,
    /// Whether the recording was cut, so that it may lack the end of the run.
    pub cut: bool,
    /// Why the recording is not whole, or has stopped the run, if that is so.
    pub unrecorded: Option<String>,
    /// What could not be delivered to sinks of a live run.
    pub undelivered: Vec<Undelivered>,
}

impl Job {
    /// Completes everything in flight, stops the workers, and reports.
    pub(super) fn finish(
        self,
        sequenced: Result<bool, RunError>,
        options: &RunOptions,
    ) -> Result<Report, RunError> {
        let Job {
            generation: run,
            kind,
            board,
            metrics,
            catalog,
            engine,
            dispatcher,
            began,
            refused_share,
            mut results,
            labels,
            timeframes,
            before,
            ..
        } = self;
        let finished = dispatcher.finish();
        // The error of a failed worker explains more than the errors of threads that waited for it.
        engine.join()?;
        let complete = sequenced?;
        let Dispatched { saved, unrecorded } = finished?;
        let elapsed = began.elapsed();

        let reader = BoardReader::new(Arc::clone(&board));
        let files = match (&mut results, &options.out) {
            (Some(folder), Some(path)) => {
                let views = kind.views;
                let results = Results {
                    reader: &reader,
                    catalog: &catalog,
                    labels: &labels,
                    views,
                    timeframes: &timeframes,
                };
                Some((path.clone(), results.write(&options.written, folder)?))
            }
            _ => None,
        };
        let has_bars = kind.views.named(CandlesView::VIEW.name).is_some();
        let bars = (options.summary && has_bars).then(|| BarSummary::of(&reader, &catalog));
        for view in kind.views.views {
            let Some(log) = board.log(view.name).filter(|log| log.dropped() > 0) else { continue };
            tracing::warn!(
                "the oldest {} rows of `{}` are gone: it exceeded `limits.{}` = {}",
                log.dropped(),
                view.name,
                log.bound(),
                log.bytes_max(),
            );
        }
        let reported = kind.views.views.iter();
        let reported = reported.filter(|view| view.recorded && board.is_enabled(view.name));
        let views = reported.map(|view| {
            let digest = options.digest.then(|| digest(&board, &reader, &catalog, view));
            (view.name, reader.count(view), digest)
        });
        let held = |worker| board.gauges.get(&(worker, LEDGER)).map_or(0, |g| g.keys());
        let commits = reader.frontier().commit.map_or(0, |commit| commit.0 + 1);
        let counts = Counts::of(&metrics, commits);
        let before = before.unwrap_or_else(|| counts.clone());
        let counts = counts.since(&before);
        let refusals = Refusals::of(&counts, before.commits, refused_share, &reader, &catalog);
        Ok(Report {
            run,
            totals: counts.totals,
            commits,
            restored: before.commits,
            elapsed,
            views: views.collect(),
            bars,
            files,
            instruments_held: (0..board.workers()).map(held).collect(),
            saved,
            complete,
            refusals,
            cut: false,
            unrecorded,
            undelivered: Vec::new(),
        })
    }
}
