//! A run, and what its clients see.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::{get, post};

/// A job under way.
pub(crate) struct Job {
    run: Going,
    pub(crate) address: SocketAddr,
}

impl Job {
    pub(crate) fn start(folder: &Path, config: &str) -> Job {
        fs::write(folder.join("job.toml"), config).unwrap();
        let args = ["run", "job.toml", "--listen", "127.0.0.1:0", "--json"];
        let mut run = Going::start(folder, &args);
        let address = run.address();
        Job { run, address }
    }

    /// The rows of a view.
    pub(crate) fn rows(&self, view: &str) -> Vec<Value> {
        let answer = get(self.address, &format!("/v1/views/{view}?limit=10000")).json();
        answer["rows"].as_array().cloned().unwrap_or_default()
    }

    /// The row of a source; null before there is any.
    pub(crate) fn source(&self, name: &str) -> Value {
        self.rows("sources").into_iter().find(|row| row["name"] == name).unwrap_or_default()
    }

    pub(crate) fn wait_for_state(&self, source: &str, state: &str) {
        let look = || (self.source(source)["state"] == state).then_some(());
        poll(look, || format!("{source} is {state}: {}", self.source(source)));
    }

    pub(crate) fn wait_for_rows(&self, source: &str, rows: u64) {
        let look = || (self.source(source)["rows"].as_u64() >= Some(rows)).then_some(());
        poll(look, || format!("{rows} rows of {source}: {}", self.source(source)));
    }

    /// The first bar of a minute; null if there is none.
    pub(crate) fn bar(&self, instrument: &str) -> Value {
        self.bar_of(instrument, "1m")
    }

    pub(crate) fn bar_of(&self, instrument: &str, timeframe: &str) -> Value {
        let path = format!("/v1/candles/{instrument}?tf={timeframe}");
        get(self.address, &path).json()["candles"][0].clone()
    }

    /// Posts a trade; waits until it is taken.
    pub(crate) fn post(&self, instrument: &str, time: &str, id: u64) {
        let row = json!({"type": "trade", "instrument": instrument, "id": id, "time": time, "price": 10, "quantity": 1});
        let headers = [("Content-Type", "application/x-ndjson")];
        let sent = || post(self.address, "/api/streaming/process", &headers, &format!("{row}\n"));
        poll(|| Some(sent()).filter(|sent| sent.status == 202), || format!("{row} is taken"));
    }

    /// What `/health` says of a check.
    pub(crate) fn health(&self, check: &str) -> String {
        get(self.address, "/health").json()["checks"][check][0]["output"].to_string()
    }

    pub(crate) fn wait_for_bar(&self, instrument: &str, is: impl Fn(&Value) -> bool) -> Value {
        let look = || Some(self.bar(instrument)).filter(|bar| is(bar));
        poll(look, || format!("a bar of {instrument}: {}", self.bar(instrument)))
    }

    /// The status of `/health/ready`.
    pub(crate) fn ready(&self) -> u16 {
        get(self.address, "/health/ready").status
    }

    /// Ends it in order; returns the summary.
    pub(crate) fn end(self) -> Value {
        self.run.signal("TERM");
        self.run.end().json()
    }
}
