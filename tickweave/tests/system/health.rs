//! What `/health`, `/health/ready` and `/metrics` say of a run with problems, and how that is logged.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};

use crate::end_to_end::binary::{Going, poll, tickweave_strict};
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
    let away = &get(address, "/health").json()["sources"][0];
    assert_eq!(away["state"], "not_reached");
    assert!(away["last_error"].as_str().unwrap().contains("refused"), "{away}");
    assert_eq!(get(address, "/health/live").status, 200);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    // The first at once; it took less than half a minute.
    let told = ran.err.matches("it is tried again each second").count();
    assert!((1..6).contains(&told), "{}", ran.err);

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
    let source = &get(address, "/health").json()["sources"][0];
    assert_eq!((&source["name"], &source["kind"]), (&json!("file"), &json!("file")));
    assert_eq!((&source["state"], &source["last_error"]), (&json!("ended"), &Value::Null));
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0));
    let told: Vec<_> = ran.err.lines().filter(|line| line.contains("dead letters (")).collect();
    let [first, ..] = &told[..] else { panic!("none is told: {}", ran.err) };
    assert!(first.contains("file: dead letters (bad_price), such as trades.csv 42: "), "{first}");
    assert!(first.ends_with("A,-,1"), "the row is an example: {first}");
    assert!(told.len() < 4, "{told:?}");
    assert_eq!(ran.err.matches(" ready\n").count(), 1, "{}", ran.err);
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
    let sink = &answer["sinks"][0];
    assert_eq!((&sink["name"], &sink["view"]), (&json!("bars"), &json!("candles")));
    assert_eq!((&sink["kind"], &sink["state"]), (&json!("file"), &json!("failed")));
    assert!(sink["last_error"].as_str().unwrap().contains("taken.ndjson"), "{sink}");
    assert!(sink["since"].as_str().unwrap().ends_with('Z'), "{sink}");
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

/// Clients for which there is no descriptor wait, and that is told once and now and then, not for each try.
#[test]
fn connections_that_cannot_be_accepted_are_told_seldom() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, address) = start(folder.path(), "[job]\ntimeframes = [\"1m\"]\n");
    wait_for(address, "commits", "pass");
    let pid = Pid::from_raw(i32::try_from(run.pid()).unwrap());
    let limit = |current| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap()
    };
    let before = limit(Some(3)); // below what it has open
    let waiting = std::thread::spawn(move || get(address, "/health/live").status);
    run.wait_for("more since the last line)");
    limit(before.current);
    run.wait_for("connections are accepted again after ");
    assert_eq!(waiting.join().unwrap(), 200);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0));
    let told = ran.err.matches("no connection could be accepted").count();
    assert!((2..6).contains(&told), "{}", ran.err);
}

/// Names of which there may be no more are dead letters that say what allows more, and health says so before.
#[test]
fn names_that_are_used_up() {
    let folder = tempfile::tempdir().unwrap();
    let symbols = |count| (0..count).map(|n| format!("2026-01-05T10:00:00Z,S{n},10,1\n"));
    let text =
        |count| symbols(count).fold("time,symbol,price,size\n".to_owned(), |all, row| all + &row);
    fs::write(folder.path().join("trades.csv"), text(25)).unwrap();
    let replay =
        ["replay", "trades.csv", "--instrument", "x:{symbol}", "--symbol", "symbol", "--json"];
    let limited = [&replay[..], &["--max-instruments", "20", "--out", "out"]].concat();
    let ran = tickweave_strict(folder.path(), &limited);
    ran.failed(
        4,
        &["`limits.instruments` (--max-instruments)", "instrument `x:S20` is one more than the 20"],
    );
    assert_eq!(ran.summary()["dead"], 5);
    let all = [&replay[..], &["--max-instruments", "25"]].concat();
    assert_eq!(tickweave_strict(folder.path(), &all).json()["accepted"], 25);

    fs::write(folder.path().join("trades.csv"), text(17)).unwrap();
    for (limit, status) in [("20", "pass"), ("18", "warn")] {
        fs::write(folder.path().join("job.toml"), TRADES).unwrap();
        let run = ["run", "job.toml", "--listen", "127.0.0.1:0", "--max-instruments", limit];
        let mut run = Going::start(folder.path(), &run);
        let address = run.address();
        metric(address, "tickweave_names{kind=\"instrument\"} 17");
        metric(address, &format!("tickweave_names_limit{{kind=\"instrument\"}} {limit}"));
        let answer = wait_for(address, "names", status);
        let why = answer["checks"]["names"][0]["output"].as_str().unwrap();
        assert_eq!(why.contains("17 instruments of the 18"), status == "warn", "{why}");
        run.signal("TERM");
        assert_eq!(run.end().code, Some(0));
    }
}
