//! What this machine makes of it, each figure beside one that says what is possible.
//!
//! | measured | beside |
//! |---|---|
//! | throughput of the engine, fed from memory | the same job as one plain loop ([`cost`]) |
//! | tick → subscriber over a WebSocket at an even load | an echo of the same load through the same server, without a dataflow |
//! | fan-out of one view to many WebSockets | a bare broadcast: a frame encoded once, one write a client |
//! | a replay of a file, as a process | the plain loop over the same file, as a process |
//! | ticks that a job takes in, and how soon it shows them, while clients read all they can | the same job alone |
//! | a live run that keeps its state, and a start that goes on with it | the same run without |
//! | growth of a tick's cost with symbols, timeframes, portfolios, skew and corrections | that of the plain loop |
//!
//! Loads of latencies are open: what is due is sent when it is due, whatever became of what was sent before, and latency counts from when it
//! was due. To add a measurement: a file, and a line in [`MEASUREMENTS`].

/// Prints a line for people on standard error, in its order with those of the log.
macro_rules! say {
    ($($text:tt)*) => { tickweave::stderr::line(&format!($($text)*)) };
}

mod client;
mod clocks;
mod commits;
mod crowd;
mod fan_out;
mod file;
mod flat;
mod growth;
mod live;
mod memory;
mod readers;
mod resumes;
mod rig;
mod same;
mod state;
mod throughput;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

pub use crowd::crowd;
pub use file::{One, measure_file};
pub use flat::{Minute, minutes};
pub use growth::{Costs, point};
pub use memory::retained;
pub use same::differences;
pub use throughput::{Compared, Pass, compare};

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Rows of the workload of the throughput; of growth, if they are fewer than it takes.
    pub rows: u64,
    /// The largest number of workers.
    pub workers: usize,
    /// How often throughput and growth are measured.
    pub repeats: usize,
    /// Ticks a second of the load under which latency is measured.
    pub rate: u32,
    /// Seconds of each measurement that takes a time of its own.
    pub seconds: u32,
    /// WebSockets of the fan-out; readers of each kind.
    pub sockets: usize,
    /// Everything random follows from it.
    pub seed: u64,
}

/// What came of it: by name, numbers or objects of numbers.
#[derive(Default)]
pub struct Figures(Map<String, Value>);

/// One thing that is measured.
pub struct Measurement {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// What it measures.
    pub doc: &'static str,
    /// Whether it is measured when nothing is asked for by name: all that are take less than a minute together.
    pub by_default: bool,
    /// Runs the benchmark, and prints its results on standard error.
    pub run: fn(&Asked, &mut Figures) -> anyhow::Result<()>,
}

/// Everything that is measured, in this order.
pub const MEASUREMENTS: &[Measurement] = &[
    memory::MEASUREMENT,
    throughput::MEASUREMENT,
    commits::MEASUREMENT,
    live::MEASUREMENT,
    fan_out::MEASUREMENT,
    growth::MEASUREMENT,
    flat::MEASUREMENT,
    readers::MEASUREMENT,
    resumes::MEASUREMENT,
    state::MEASUREMENT,
];

/// A file to measure with.
#[derive(Clone, Debug)]
pub struct Files {
    /// CSV of `ts_ns,symbol,trade_id,price,size`.
    pub path: PathBuf,
    /// The largest number of workers.
    pub workers: usize,
    /// How often.
    pub repeats: usize,
}

impl Figures {
    /// A figure.
    pub fn report(&mut self, name: &str, figure: impl Into<Value>) {
        self.0.insert(name.to_owned(), figure.into());
    }

    /// Figures by number of workers.
    pub(crate) fn by_workers(&mut self, name: &str, figures: &BTreeMap<usize, f64>) {
        let by =
            figures.iter().map(|(workers, figure)| (workers.to_string(), Value::from(*figure)));
        self.report(name, Value::Object(by.collect()));
    }

    /// All of them as one object.
    pub fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}
