//! A job whose rule holds for what is posted at a high price.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::{get, post};

const JOB: &str = r#"
[job]
timeframes = ["1m"]
[http]
listen = "127.0.0.1:0"
[commit]
period = "2ms"
round = "20ms"
[[rule]]
name = "high"
settle = "at_once"
threshold = { series = "close", above = 110.0 }
[[instrument]]
pattern = "us:*"
price_decimals = 2
size_decimals = 0
quote = "USD"
"#;

/// A run of the job with sinks.
pub(super) struct Job {
    pub(super) going: Going,
    pub(super) address: SocketAddr,
    /// The beginning of the bar that trades are in, in seconds since 1970.
    bar: u64,
}

impl Job {
    /// Starts it in `folder` with more configuration, flags and variables of the environment.
    pub(super) fn start(
        folder: &Path,
        more: &str,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Job {
        fs::write(folder.join("job.toml"), format!("{JOB}{more}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
        command.args(["run", "job.toml", "--lenient", "--digest", "--json"]).args(flags);
        command.envs(variables.iter().copied());
        let mut going = Going::spawn(folder, &mut command);
        let address = going.address();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Job { going, address, bar: (now - 300) / 60 * 60 }
    }

    /// Posts the trade of an instrument, or its correction, and waits until views show it. The bar is five minutes old.
    pub(super) fn trade(&self, kind: &str, instrument: &str, price: &str) {
        let time = format!("{}s", self.bar + 7);
        let row = json!([{"type": kind, "instrument": instrument, "id": 1, "time": time, "price": price,
                          "quantity": 10}]);
        let path = "/api/streaming/process?wait=processed&wait_ms=30000";
        let body = row.to_string();
        let send = || post(self.address, path, &[("Content-Type", "application/json")], &body);
        let answer = poll(|| Some(send()).filter(|answer| answer.status != 503), || body.clone());
        assert_eq!(answer.json()["accepted"], 1, "{answer:?}");
    }

    /// The rows of a view, when they are as wanted.
    pub(super) fn wait_for(&self, view: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let rows = || {
            let answer = get(self.address, &format!("/v1/views/{view}"));
            answer.json()["rows"].as_array().cloned().unwrap_or_default() // while it restores there are none
        };
        poll(|| Some(rows()).filter(|rows| wanted(rows)), || format!("{view}: {:#?}", rows()))
    }

    /// The only row of a sink in the view `sinks`, when it is as wanted.
    pub(super) fn wait_for_sink(&self, name: &str, wanted: impl Fn(&Value) -> bool) {
        self.wait_for("sinks", |rows| rows.iter().any(|row| row["name"] == name && wanted(row)));
    }

    /// Ends it in order; gives its summary and what it wrote to standard error.
    pub(super) fn stop(self) -> (Value, String) {
        self.going.signal("TERM");
        let ran = self.going.end();
        (ran.json(), ran.err)
    }
}
