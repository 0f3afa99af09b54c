//! A job that reads topics, as its users run it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::topics::Topic;
use crate::end_to_end::binary::{Going, Ran, poll};
use crate::end_to_end::http::get;
use crate::expected::bars::{Bars, trades, written};
use crate::servers::Server;

/// The trades of a capture: bars of seconds, no indicators, and sources that are not idle for an hour.
pub(super) const HEAD: &str = "[job]\ntimeframes = [\"1s\", \"1m\"]\nindicators = []\n[commit]\nround = \"50ms\"\n\
                               idle = \"100ms\"\n[outliers]\nbars = 0\n";

/// A source of Binance's streams.
pub(super) fn source(server: &Server, name: &str, topics: &[&Topic<'_>], more: &str) -> String {
    let topics: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    format!(
        "[[source]]\nname = \"{name}\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = {topics:?}\n\
         codec = \"binance-stream\"\noptions = {{ exclude_fund_prints = false }}\nidle_timeout = \"1h\"\n{more}\n",
        server.address
    )
}

/// A job under way.
pub(super) struct Job {
    run: Going,
    pub(super) address: SocketAddr,
}

impl Job {
    pub(super) fn start(folder: &Path, config: &str, workers: usize) -> Job {
        let mut run = Job::begin(folder, config, workers);
        let address = run.address();
        Job { run, address }
    }

    /// Starts one that may not come far.
    pub(super) fn begin(folder: &Path, config: &str, workers: usize) -> Going {
        fs::write(folder.join("job.toml"), config).unwrap();
        let workers = workers.to_string();
        let args = ["run", "job.toml", "-w", &workers, "--listen", "127.0.0.1:0", "--json"];
        Going::start(folder, &args)
    }

    /// The bars that it has now.
    pub(super) fn bars(&self, folder: &Path) -> Bars {
        let path = folder.join("candles.csv");
        let csv = get(self.address, "/v1/views/candles?format=csv&numbers=string&limit=10000");
        fs::write(&path, csv.body).unwrap();
        written(&path)
    }

    /// Waits until its bars have so many trades; minutes follow seconds at the end of a round.
    pub(super) fn wait_for_trades(&self, folder: &Path, wanted: u64) -> Bars {
        let mut bars = Bars::new();
        poll(
            || {
                bars = self.bars(folder);
                ["1s", "1m"]
                    .iter()
                    .all(|timeframe| trades(&bars, timeframe) >= wanted)
                    .then_some(())
            },
            || format!("{wanted} trades: {}", self.run.stderr_text()),
        );
        bars
    }

    /// The rows of a view as JSON.
    pub(super) fn rows(&self, view: &str) -> Vec<Value> {
        let path =
            format!("/v1/views/{view}{}limit=10000", if view.contains('?') { '&' } else { '?' });
        let Value::Array(rows) = get(self.address, &path).json()["rows"].take() else {
            panic!("no rows in {path}")
        };
        rows
    }

    /// The rows of a view and what the job has said so far, for messages.
    pub(super) fn state(&self, view: &str) -> String {
        format!("{view}: {:#?}\n{}", self.rows(view), self.run.stderr_text())
    }

    /// A column of the provider of this name.
    pub(super) fn provider(&self, name: &str, column: &str) -> Value {
        let rows = self.rows("providers");
        let own = rows.into_iter().find(|row| row["name"] == name);
        own.map_or(Value::Null, |mut own| own[column].take())
    }

    /// Waits until a view has rows that satisfy.
    pub(super) fn wait_for_rows(
        &self,
        view: &str,
        mut is_right: impl FnMut(&[Value]) -> bool,
    ) -> Vec<Value> {
        poll(|| Some(self.rows(view)).filter(|rows| is_right(rows)), || self.state(view))
    }

    /// The largest amount of memory that it has held so far, in bytes.
    #[cfg(target_os = "linux")]
    pub(super) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.run.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    pub(super) fn signal(&self, name: &str) {
        self.run.signal(name);
    }

    /// Ends it in order; gives its summary.
    pub(super) fn end(self) -> Value {
        self.run.signal("TERM");
        self.run.end().json()
    }

    /// Ends it at once.
    pub(super) fn kill(self) -> Ran {
        self.run.signal("KILL");
        self.run.end()
    }
}
