//! How fast entries of a Redis stream become candles, beside a consumer that only reads and decodes them.
//!
//! `cargo bench -p bench --bench redis`. Needs `redis-server`. A server of its own on a free port is given
//! 300,000 entries of one field, JSON of some 120 bytes; then by turns, three times: a loop that reads them by XREAD
//! with the same client and decodes them into a struct by `serde_json`; the source alone, into records; and a whole
//! node, from its start until all were read and it has stopped. Wall time, and CPU time of the reading process.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use connectors::{BuildContext, Place};
use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::RunOptions;
use market::Catalog;
use redis::{Client, Connection, Value};
use serde::Deserialize;
use tickweave::node::Node;

const ENTRIES: u64 = 300_000;
const BATCH: u64 = 1_024;
const RUNS: usize = 3;

/// A process that ends with the bench.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds of wall and of CPU time.
type Cost = (f64, f64);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new("redis-server");
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
    let server = server.arg(folder.path()).stdout(Stdio::null()).spawn();
    let _server = Process(server.expect("redis-server is installed"));
    let url = format!("redis://127.0.0.1:{port}");
    let client = Client::open(url.as_str()).unwrap();
    let mut connection = loop {
        match client.get_connection() {
            Ok(connection) => break connection,
            Err(_) => sleep(Duration::from_millis(20)),
        }
    };
    fill(&mut connection);

    let config = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[job]\ntimeframes = [\"1s\", \"1m\"]\nindicators = []\n[[source]]\nname = \"s\"\nkind = \"redis-streams\"\nurl = \"{url}\"\n\
         streams = [\"s\"]\n{MEANING}"
    );
    fs::write(folder.path().join("job.toml"), config).unwrap();
    let ways: [(&str, &dyn Fn() -> Cost); 3] = [
        ("a loop that reads and decodes", &|| bare_loop(&client)),
        ("the source, into records", &|| source(&url)),
        ("the binary, into candles of 1s and 1m", &|| node(folder.path())),
    ];
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        for ((_, way), costs) in ways.iter().zip(&mut costs) {
            costs.push(way());
        }
    }
    println!("| {ENTRIES} entries, median of {RUNS} | entries/s | CPU s | entries per CPU s |");
    println!("|---|---:|---:|---:|");
    for ((what, _), mut costs) in ways.iter().zip(costs) {
        costs.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (wall, cpu) = costs[RUNS / 2];
        let of = |secs: f64| ENTRIES as f64 / secs;
        println!("| {what} | {:.0} | {cpu:.2} | {:.0} |", of(wall), of(cpu));
    }
}

const MEANING: &str = "payload = \"data\"\ninstrument = \"x:{symbol}\"\nunits = { time = \"ms\" }\n\
                       columns = { symbol = \"s\", id = \"t\", time = \"T\", price = \"p\", size = \"q\", maker = \"m\" }\n";

/// Some 80 seconds of trades of eight symbols.
fn fill(connection: &mut Connection) {
    for start in (0..ENTRIES).step_by(1_000) {
        let mut adding = redis::pipe();
        for n in start..start + 1_000 {
            let time = 1_767_623_400_000 + n / 4;
            let data = format!(
                r#"{{"e":"trade","E":{time},"s":"SYM{}","t":{},"p":"{}.{:02}000000","q":"0.00{}000","T":{time},"m":{},"M":true}}"#,
                n % 8,
                n / 8,
                60_000 + n % 97,
                n % 100,
                n % 89 + 10,
                n % 3 == 0,
            );
            adding.cmd("XADD").arg("s").arg("*").arg("data").arg(data).ignore();
        }
        adding.exec(connection).unwrap();
    }
}

#[derive(Deserialize)]
struct Trade<'a> {
    s: &'a str,
    t: u64,
    #[serde(rename = "T")]
    time: i64,
    p: &'a str,
    q: &'a str,
    m: bool,
}

fn bare_loop(client: &Client) -> Cost {
    timed(|| {
        let mut connection = client.get_connection().unwrap();
        let (mut after, mut read, mut sum) = (b"0-0".to_vec(), 0, 0);
        while read < ENTRIES {
            let mut ask = redis::cmd("XREAD");
            ask.arg("COUNT").arg(BATCH).arg("STREAMS").arg("s").arg(&after);
            let answer: Value = ask.query(&mut connection).unwrap();
            let Value::Array(streams) = answer else { panic!("no entries") };
            let Value::Array(stream) = &streams[0] else { panic!("no stream") };
            let Value::Array(entries) = &stream[1] else { panic!("no entries") };
            for entry in entries {
                let Value::Array(entry) = entry else { panic!("no entry") };
                let (Value::BulkString(id), Value::Array(fields)) = (&entry[0], &entry[1]) else {
                    panic!("no fields")
                };
                let Value::BulkString(data) = &fields[1] else { panic!("no data") };
                let trade: Trade<'_> = serde_json::from_slice(data).unwrap();
                let price: f64 = trade.p.parse().unwrap();
                let size: f64 = trade.q.parse().unwrap();
                sum += trade.t ^ trade.time.unsigned_abs() ^ (price * size) as u64;
                sum += trade.s.len() as u64 + u64::from(trade.m);
                read += 1;
                if read % BATCH == 0 || read == ENTRIES {
                    after.clone_from(id);
                }
            }
        }
        std::hint::black_box(sum);
    })
}

fn source(url: &str) -> Cost {
    let config = format!("url = \"{url}\"\nstreams = [\"s\"]\n{MEANING}");
    let config: serde_json::Value = toml::from_str(&config).unwrap();
    let catalog = Arc::new(Catalog::new(Vec::new(), 100));
    let context = BuildContext { name: "s".to_owned(), folder: std::env::temp_dir(), catalog };
    let source = connectors::sources().build("redis-streams", config, context).unwrap();
    timed(|| {
        let mut reader = source.open(0, Place::Earliest).unwrap();
        let mut read = 0;
        while read < ENTRIES {
            let mut rows = Vec::new();
            reader.read(&mut rows).unwrap();
            assert!(rows.iter().all(|row| row.event.is_ok()));
            read += rows.len() as u64;
        }
    })
}

fn node(folder: &std::path::Path) -> Cost {
    timed(|| {
        let config = RawConfig::read(&folder.join("job.toml")).unwrap().check(folder).unwrap();
        let node = Node::start(config, RunOptions::default(), &Stop::default()).unwrap();
        while node.metrics().totals().records < ENTRIES {
            sleep(Duration::from_millis(5));
        }
        node.control().stop();
        node.wait().unwrap();
    })
}

fn timed(what: impl FnOnce()) -> Cost {
    let (began, before) = (Instant::now(), cpu(std::process::id()));
    what();
    (began.elapsed().as_secs_f64(), cpu(std::process::id()) - before)
}

/// Seconds of CPU time that a process has taken, to a hundredth.
fn cpu(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = |at: usize| fields.split_whitespace().nth(at).unwrap().parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}
