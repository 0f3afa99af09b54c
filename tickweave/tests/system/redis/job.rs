//! The binary on Redis, and what its readers see.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

use redis::{Connection, Value as Answer};
use serde_json::Value;
use tempfile::TempDir;

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::expected::bars::{Bars, assert_same, of_csv, of_json};

/// A configured job that may be started again and again.
pub(super) struct Job {
    folder: TempDir,
}

/// What a source of the streams of the capture says, but for its server.
pub(super) const STREAMS: &str =
    "kind = \"redis-streams\"\nstreams = [\"ticks:BTC\", \"ticks:ETH\"]\npayload = \"data\"\n";

impl Job {
    /// With a source of Binance's frames from `url`, and what else is configured.
    pub(super) fn new(url: &str, source: &str, more: &str) -> Job {
        let source = format!("codec = \"binance-stream\"\n{source}\n{more}");
        Job::without_codec(url, &source)
    }

    /// With a source that says what its messages mean.
    pub(super) fn without_codec(url: &str, source: &str) -> Job {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[job]\ntimeframes = [\"1s\", \"1m\"]\nreject_after = \"1h\"\ncorrection_horizon = \"1h\"\n\n\
             [[source]]\nname = \"ticks\"\nurl = \"{url}\"\nidle_timeout = \"1d\"\n{source}"
        );
        fs::write(folder.path().join("job.toml"), config).unwrap();
        Job { folder }
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) fn start(&self, workers: usize) -> Going {
        self.start_with(workers, &[])
    }

    pub(super) fn start_with(&self, workers: usize, more: &[&str]) -> Going {
        let workers = workers.to_string();
        let args = ["run", "job.toml", "-w", &workers, "--listen", "127.0.0.1:0"];
        Going::start(self.folder.path(), &[&args, more].concat())
    }
}

/// A sink of every kind for the candles, to `url`.
pub(super) fn sinks(url: &str) -> String {
    ["hash", "streams", "pubsub"]
        .map(|kind| {
            format!(
                "[[sink]]\nname = \"{kind}\"\nkind = \"redis-{kind}\"\nurl = \"{url}\"\nviews = [\"candles\"]\nnumbers = \"string\"\n"
            )
        })
        .join("\n")
}

/// The rows of a view.
pub(super) fn rows(address: SocketAddr, view: &str) -> Vec<Value> {
    let answer = get(address, &format!("/v1/views/{view}?limit=10000")).json();
    answer["rows"].as_array().unwrap().clone()
}

/// The kinds of incidents, in their order, of both partitions together.
pub(super) fn incidents(address: SocketAddr) -> Vec<String> {
    let kind = |row: &Value| row["kind"].as_str().unwrap().to_owned();
    rows(address, "incidents").iter().map(kind).collect()
}

/// The row of the source; null before there is any.
pub(super) fn provider(address: SocketAddr) -> Value {
    let own = rows(address, "providers").into_iter().find(|row| row["name"] == "ticks");
    own.unwrap_or_default()
}

/// Rows that the source has brought, refused ones as well.
pub(super) fn brought(address: SocketAddr) -> u64 {
    provider(address)["rows"].as_u64().unwrap_or(0)
}

/// Waits until so many rows were brought.
pub(super) fn wait_for(address: SocketAddr, count: u64) {
    poll(
        || (brought(address) >= count).then_some(()),
        || format!("{count} rows, and there are {}", brought(address)),
    );
}

/// The bars over HTTP.
pub(super) fn served(address: SocketAddr) -> Bars {
    let mut bars = Bars::new();
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        for timeframe in ["1s", "1m"] {
            let path = format!(
                "/v1/candles/binance:{symbol}?tf={timeframe}&format=csv&numbers=string&limit=10000"
            );
            let answer = get(address, &path);
            if answer.status == 200 {
                bars.extend(of_csv(answer.body.as_bytes()));
            }
        }
    }
    bars
}

/// Waits until what is seen is exactly `wanted`.
pub(super) fn assert_becomes(mut see: impl FnMut() -> Bars, wanted: &Bars, what: &str) {
    for _ in 0..600 {
        if see() == *wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_same(&see(), wanted, what);
}

/// The bars in the hash.
pub(super) fn in_hash(server: &mut Connection) -> Bars {
    let rows: BTreeMap<String, String> =
        redis::cmd("HGETALL").arg("tickweave:candles").query(server).unwrap();
    rows.values().map(|row| of_json(&serde_json::from_str(row).unwrap())).collect()
}

/// The bars that changes add up to.
#[derive(Default)]
pub(super) struct AddedUp {
    rows: BTreeMap<String, Value>,
    run: String,
    commit: u64,
    pub(super) snapshots: usize,
    pub(super) changes: usize,
}

impl AddedUp {
    /// Takes a change; `field` gives its fields. Changes come once and in order, and none without a snapshot.
    pub(super) fn take(&mut self, field: impl Fn(&str) -> Option<String>) {
        let text = |name: &str| field(name).unwrap_or_else(|| panic!("no `{name}`"));
        let commit: u64 = text("commit").parse().unwrap();
        if text("op") == "snapshot" {
            (self.rows, self.run) = (BTreeMap::new(), text("run"));
            (self.commit, self.snapshots) = (0, self.snapshots + 1);
            return;
        }
        assert_eq!(text("run"), self.run, "a change of a run that has not begun");
        match text("op").as_str() {
            "progress" => {
                assert!(commit >= self.commit);
                let after = field("after").filter(|after| !after.is_empty() && after != "null");
                assert!(
                    after.is_none_or(|after| after.parse::<u64>().unwrap() == self.commit)
                        || self.commit == 0
                );
                self.commit = commit;
            }
            "upsert" => {
                let row = serde_json::from_str(&text("row")).unwrap();
                self.rows.insert(text("key"), row);
            }
            "delete" => drop(self.rows.remove(&text("key"))),
            other => panic!("{other}"),
        }
        self.changes += 1;
    }

    pub(super) fn bars(&self) -> Bars {
        self.rows.values().map(of_json).collect()
    }
}

/// The stream of changes, added up.
pub(super) fn in_stream(server: &mut Connection) -> AddedUp {
    let entries: Vec<(String, BTreeMap<String, String>)> = redis::cmd("XRANGE")
        .arg("tickweave:candles:changes")
        .arg("-")
        .arg("+")
        .query(server)
        .unwrap();
    let mut added_up = AddedUp::default();
    for (_, fields) in &entries {
        added_up.take(|name| fields.get(name).cloned());
    }
    added_up
}

/// Listens to the published changes on a thread, until `progress` after nothing came for a while; gives them
/// added up.
pub(super) fn subscribe(mut server: Connection) -> std::thread::JoinHandle<AddedUp> {
    let (listening, listens) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let mut channel = server.as_pubsub();
        channel.psubscribe("tickweave:candles*").unwrap();
        channel.subscribe("the end").unwrap();
        listening.send(()).unwrap();
        let mut added_up = AddedUp::default();
        loop {
            let message = channel.get_message().unwrap();
            if message.get_channel_name() == "the end" {
                return added_up;
            }
            let reported: Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
            let key = reported["key"].as_str().map(|key| format!("tickweave:candles:{key}"));
            let channel = key.unwrap_or_else(|| "tickweave:candles".to_owned());
            assert_eq!(message.get_channel_name(), channel);
            added_up.take(|name| match &reported[name] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            });
        }
    });
    listens.recv().unwrap();
    thread
}

/// Closes all connections of jobs.
pub(super) fn close_connections(server: &mut Connection) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(server).unwrap();
    let ids = list.lines().filter(|line| line.contains("name=tickweave:"));
    let ids = ids.filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
    let kill = |id: &str| redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query(server);
    ids.map(kill).filter(|answer| matches!(answer, Ok(Answer::Int(1)))).count()
}
