//! Jobs: which operators form the dataflow, and which views it has. To add one: a file here, and a line in [`JOBS`].

mod candles;
mod counting;
mod operator_set;
mod plan;
mod portfolios;
mod ticks;

use operators::StateError;
use operators::keyed::Time;
use timely::dataflow::Scope;

pub use operator_set::LEDGER;
pub use plan::{JobContext, JobPlan, JobSpec};

use crate::publish::WorkerViews;
use rows::ViewList;

/// The jobs that this build knows; the first is the default.
pub const JOBS: &[JobKind] = &[candles::JOB, ticks::JOB];

/// A job.
#[derive(Debug)]
pub struct JobKind {
    /// Its name, the `kind` in `[job]`.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Its views.
    pub views: ViewList,
    /// Its operators, by the names under which they report what they hold, and save state if they do.
    pub operators: &'static [&'static str],
    /// Those that save state.
    pub saved: &'static [SavedOperator],
    /// Whether it computes indicators, rules and portfolios. If not, a configuration must not name any.
    pub computes_on_bars: bool,
    build: BuildJob,
}

/// An operator that saves state.
#[derive(Debug)]
pub struct SavedOperator {
    /// Its name.
    pub name: &'static str,
    /// The version of the form: a number that goes up with every change of what it encodes.
    pub version: u32,
    /// The keys of the configuration whose change makes its states useless. It then makes them anew of what the operators
    /// before it have. Of other keys that states depend on, a change cannot be made up for.
    pub rebuilt_by: &'static [&'static str],
}

const fn saved(
    name: &'static str,
    version: u32,
    rebuilt_by: &'static [&'static str],
) -> SavedOperator {
    SavedOperator { name, version, rebuilt_by }
}

/// Builds a worker's part of a job's dataflow.
type BuildJob = fn(&JobPlan, Scope<'_, Time>, JobContext<'_>) -> Result<WorkerViews, StateError>;

impl JobKind {
    /// The job of this name.
    ///
    /// # Errors
    ///
    /// In words, with the possible names.
    pub fn named(name: &str) -> Result<&'static JobKind, String> {
        JOBS.iter().find(|job| job.name == name).ok_or_else(|| {
            let known: Vec<String> =
                JOBS.iter().map(|job| format!("{} ({})", job.name, job.doc)).collect();
            format!("no job is named `{name}` (known: {})", known.join("; "))
        })
    }
}

/// The name of a job that has this view.
pub fn job_with(view: &str) -> Option<&'static str> {
    JOBS.iter().find(|job| job.views.named(view).is_some()).map(|job| job.name)
}
