//! Streams into candles, out to every kind of sink.

use super::capture::{Capture, add};
use super::job::{
    Job, STREAMS, assert_becomes, in_hash, in_stream, incidents, provider, rows, served, sinks,
    subscribe, wait_for,
};
use super::server::Server;
use crate::end_to_end::binary::{poll, tickweave};

/// What is no trade of Binance: as the `data` of an entry, and why it is refused.
const POISON: [&str; 4] = [
    "not JSON",
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"free","q":"1","T":1723161601437,"m":true,"M":true}}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":2,"p":"1","q":"-1","T":1723161601437,"m":true,"M":true}}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade""#,
];

/// The expected candles on one, two and three workers, over HTTP and from three sinks; every tenth entry is
/// poison, and a row of the dead letters.
#[test]
fn candles_of_streams_over_http_and_from_sinks() {
    let Some(capture) = Capture::get("candles of Redis streams") else { return };
    let server = Server::durable();
    let mut client = server.connect();
    let mut poison = POISON.iter().cycle();
    let mut frames = Vec::new();
    for (at, frame) in capture.share(0, 1_000).into_iter().enumerate() {
        frames.push(frame);
        if at % 10 == 9 {
            frames.push((frame.0, *poison.next().unwrap()));
        }
    }
    let bad = frames.iter().filter(|(_, frame)| POISON.contains(frame)).count();
    // Before the job begins, and while it runs.
    let (before, while_running) = frames.split_at(frames.len() / 2);
    for workers in [1, 2, 3] {
        redis::cmd("FLUSHALL").exec(&mut client).unwrap();
        add(&mut client, before);
        let published = subscribe(server.connect());
        let job = Job::new(&server.url(), STREAMS, &sinks(&server.url()));
        let mut run = job.start(workers);
        let address = run.address();
        add(&mut client, while_running);
        wait_for(address, capture.trades() + bad as u64);
        assert_becomes(|| served(address), &capture.bars, &format!("{workers} workers"));

        let dead = rows(address, "dead_letters");
        assert_eq!(dead.len(), bad);
        for row in &dead {
            assert!(!row["detail"].as_str().unwrap().is_empty(), "{row}");
            assert!(["ticks:BTC", "ticks:ETH"].contains(&row["partition"].as_str().unwrap()));
        }
        assert_eq!(incidents(address), ["connected"; 2]);
        let is_at_the_end =
            |own: &serde_json::Value| own["rows_behind"] == 0 && own["connected"] == 2;
        poll(|| is_at_the_end(&provider(address)).then_some(()), || provider(address).to_string());

        run.signal("TERM");
        assert_eq!(run.end().code, Some(0));
        assert_becomes(|| in_hash(&mut client), &capture.bars, "the hash");
        let stream = in_stream(&mut client);
        assert_becomes(|| stream.bars(), &capture.bars, "the stream of changes");
        redis::cmd("PUBLISH").arg("the end").arg("").exec(&mut client).unwrap();
        let published = published.join().unwrap();
        assert_becomes(|| published.bars(), &capture.bars, "what was published");
        assert_eq!((stream.snapshots, published.snapshots), (1, 1));
        assert!(stream.changes >= capture.bars.len() && published.changes >= capture.bars.len());
        let reported: Vec<String> = redis::cmd("HMGET")
            .arg("tickweave:candles:told:hash")
            .arg(&["run", "commit", "at", "last"])
            .query(&mut client)
            .unwrap();
        assert!(
            reported[0].ends_with('Z') && reported[2].ends_with('Z') && reported[3] == "1",
            "{reported:?}"
        );
    }
}

/// Fields of entries as columns, from the stream's end, and only what is asked for.
#[test]
fn fields_of_entries_are_columns() {
    if !super::server::is_here("fields of Redis streams") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let mut add = |stream: &str, id: &str, price: &str| {
        redis::cmd("XADD")
            .arg(stream)
            .arg(id)
            .arg(&["ts", "1723161601437", "px", price, "qty", "2"])
            .exec(&mut client)
            .unwrap();
    };
    for (id, price) in [("1-1", "10"), ("2-0", "30"), ("1700000000000-0", "20")] {
        add("A", id, price);
        add("B", id, price);
    }
    let fields = "kind = \"redis-streams\"\nstreams = [\"A\", \"B\"]\nformat = \"fields\"\ninstrument = \"x:{symbol}\"\n\
                  symbol_from = \"channel\"\ncolumns = { time = \"ts\", price = \"px\", size = \"qty\" }\nunits = { time = \"ms\" }";
    for (number, (start, trades)) in
        [("earliest", 4), ("latest", 1), ("1970-01-01T00:00:00.002Z", 3)].into_iter().enumerate()
    {
        let source = format!("{fields}\nstart = \"{start}\"\n");
        let job = Job::without_codec(&server.url(), &source);
        let mut run = job.start(1);
        let address = run.address();
        poll(|| (incidents(address).len() == 2).then_some(()), || "two connections".to_owned());
        let id = format!("{}-0", 1_700_000_000_001 + number);
        for stream in ["A", "B"] {
            add(stream, &id, "40");
        }
        wait_for(address, 2 * trades);
        let bar = || {
            let answer =
                crate::end_to_end::http::get(address, "/v1/candles/x:A?tf=1s&numbers=string");
            let bar = answer.json()["candles"][0].clone();
            (bar["trades"] == trades && bar["high"] == "40").then_some(())
        };
        poll(bar, || format!("{trades} trades from {start}"));
        run.signal("TERM");
        assert_eq!(run.end().code, Some(0));
        for stream in ["A", "B"] {
            redis::cmd("XDEL").arg(stream).arg(&id).exec(&mut server.connect()).unwrap();
        }
    }
}

/// `tickweave produce` fills a stream, in order, with all that it says it has produced.
#[test]
fn made_ticks_fill_a_stream() {
    if !super::server::is_here("made ticks in Redis streams") {
        return;
    }
    let server = Server::durable();
    let to = server.url() + "/made";
    let source = "kind = \"redis-streams\"\nstreams = [\"made\"]\npayload = \"data\"\nformat = \"entries\"\n";
    let job = Job::without_codec(&server.url(), source);
    let asked = ["--rows", "1234", "--symbols", "3", "--duplicates", "0", "--late", "0"];
    let args = [&["produce", "--to", &to, "--form", "jsonl"], &asked[..]].concat();
    assert_eq!(tickweave(job.folder(), &args).code, Some(0));
    assert!(
        tickweave(job.folder(), &["produce", "--to", &to, "--form", "entries"]).code != Some(0)
    );
    let mut run = job.start(1);
    let address = run.address();
    wait_for(address, 1_234);
    let bars = || {
        let all = rows(address, "candles").into_iter().filter(|bar| bar["timeframe"] == "1m");
        let trades: u64 = all.map(|bar| bar["trades"].as_u64().unwrap()).sum();
        (trades == 1_234).then_some(())
    };
    poll(bars, || "1234 trades in bars of a minute".to_owned());
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}
