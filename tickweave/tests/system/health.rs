//! What `/health`, `/health/ready` and `/metrics` say of a run with problems, and how that is logged.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde_json::Value;

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;

const TRADES: &str = "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[[source]]\nname = \"file\"\nkind = \"file\"\n\
                      paths = [\"trades.csv\"]\ninstrument = \"x:{symbol}\"\n\
                      columns = { time = \"time\", symbol = \"symbol\", price = \"price\", size = \"size\" }\n";

fn start(folder: &Path, config: &str) -> (Going, SocketAddr) {
    fs::write(folder.join("job.toml"), config).unwrap();
    let mut run = Going::start(folder, &["run", "job.toml", "--listen", "127.0.0.1:0", "--json"]);
    let address = run.address();
    (run, address)
}

/// Rows of trades, of which some have no price.
fn trades(good: usize, bad: usize) -> String {
    let row = |price: &str| format!("2026-01-05T10:00:00Z,A,{price},1\n");
    format!("time,symbol,price,size\n{}{}", row("10").repeat(good), row("-").repeat(bad))
}

/// Waits until `/health` says so of a check; gives what it says of all.
fn wait_for(address: SocketAddr, check: &str, status: &str) -> Value {
    let health = || get(address, "/health").json();
    poll(
        || Some(health()).filter(|answer| answer["checks"][check][0]["status"] == status),
        || format!("{check} is {status}: {:#}", health()),
    )
}

fn metric(address: SocketAddr, line: &str) {
    let text = || get(address, "/metrics").body;
    poll(|| text().lines().any(|own| own == line).then_some(()), || format!("{line}\n{}", text()));
}

/// A required source that was never reached keeps the process from being ready, and does not make its orderly end a
/// failure.
#[test]
fn a_source_that_is_not_reached() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = |required: bool| {
        format!(
            "[[source]]\nname = \"away\"\nkind = \"redis-streams\"\nurl = \"redis://{closed}\"\nstreams = [\"s\"]\n\
             format = \"entries\"\npayload = \"p\"\nrequired = {required}\n"
        )
    };
    let (run, address) = start(folder.path(), &source(true));
    // At first no try has failed yet.
    let why = || {
        let answer = wait_for(address, "sources", "warn");
        answer["checks"]["sources"][0]["output"].as_str().unwrap().to_owned()
    };
    let has_failed = || why().starts_with("not reached yet: away (").then_some(());
    poll(has_failed, why);
    let ready = get(address, "/health/ready");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.json()["output"].as_str().unwrap().contains("away"), "{}", ready.body);
    assert_eq!(get(address, "/health/live").status, 200);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.err.matches("it is tried again each second").count(), 1, "{}", ran.err);

    let (run, address) = start(folder.path(), &source(false));
    wait_for(address, "sources", "warn");
    assert_eq!(get(address, "/health/ready").status, 200);
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// Input of which most is refused is a warning while it happens, with a line in the log; answers are still worth asking
/// for.
#[test]
fn input_that_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("trades.csv"), trades(40, 400)).unwrap();
    let (mut run, address) = start(folder.path(), TRADES);
    let answer = wait_for(address, "input", "warn");
    let why = answer["checks"]["input"][0]["output"].as_str().unwrap();
    assert!(why.contains("400 of 440 rows of file"), "{why}");
    assert_eq!([get(address, "/health").status, get(address, "/health/ready").status], [200, 200]);
    metric(address, "tickweave_health{check=\"input\"} 1");
    run.wait_for("health: input: refused or too late: 400 of 440 rows of file");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// A sink that has given up makes `/health` fail, and nothing else; the exit code tells that it lacks a part.
#[test]
fn a_sink_that_has_given_up() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("trades.csv"), trades(200, 0)).unwrap();
    fs::create_dir(folder.path().join("taken.ndjson")).unwrap(); // where its file should be
    let sink = "[[sink]]\nname = \"bars\"\nkind = \"file\"\nviews = [\"candles\"]\npath = \"taken.ndjson\"\n";
    let (mut run, address) = start(folder.path(), &format!("{TRADES}{sink}"));
    let answer = wait_for(address, "sinks", "fail");
    let why = answer["checks"]["sinks"][0]["output"].as_str().unwrap();
    assert!(why.starts_with("failed, and not tried again: `candles` to bars: "), "{why}");
    assert_eq!(get(address, "/health").status, 503);
    let ready = || (get(address, "/health/ready").status == 200).then_some(());
    poll(ready, || "ready all the same".to_owned());
    metric(address, "tickweave_health{check=\"sinks\"} 2");
    metric(address, "tickweave_sink_failed{sink=\"bars\",view=\"candles\"} 1");
    run.wait_for("health: sinks: failed, and not tried again");
    run.signal("TERM");
    run.end().failed(5, &["`candles` was not delivered whole to `bars`: ", "taken.ndjson"]);
}
