//! Closing auctions that print after the bell: the regular day has their price and volume.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::binary::{Going, poll, tickweave};
use super::http::get;

/// A usual day and a half day: an auction that takes 41 s (corrected after it, and once printed by mistake), prints of
/// extended hours within the grace, and one that is not marked.
const TRADES: &str = "\
type,instrument,id,of,time,price,quantity,updates
trade,us:AAA,1,,2023-11-22T14:29:59.990Z,190.40,50,opening
trade,us:AAA,2,,2023-11-22T14:30:00.000Z,190.50,999950,
trade,us:AAA,3,,2023-11-22T20:59:59.900Z,191.20,100,
trade,us:AAA,4,,2023-11-22T21:00:00.020Z,191.22,7,
trade,us:AAA,5,,2023-11-22T21:00:03.000Z,191.90,300,ordinary
trade,us:AAA,6,,2023-11-22T21:00:31.000Z,191.45,200,ordinary
trade,us:AAA,7,,2023-11-22T21:00:40.000Z,199.99,5,closing
trade,us:AAA,8,,2023-11-22T21:00:41.000Z,191.30,8000000,closing
correct,us:AAA,8,8,2023-11-22T21:00:41.000Z,191.31,9000000,closing
trade,us:AAA,9,,2023-11-22T21:00:42.000Z,191.46,200,volume+ordinary
cancel,us:AAA,,7,2023-11-22T21:00:50.000Z,,,
trade,us:AAA,10,,2023-11-24T14:30:00.000Z,190.87,1000000,
trade,us:AAA,11,,2023-11-24T17:59:59.999Z,189.90,100,
trade,us:AAA,12,,2023-11-24T18:00:00.000Z,189.97,4000000,closing
trade,us:AAA,13,,2023-11-24T18:00:02.000Z,190.10,10,ordinary
trade,us:AAA,14,,2023-11-24T22:30:00.000Z,190.20,20,closing
";

const JOB: &str = r#"
[job]
timeframes = ["1m", "1d"]
calendar = "us-equities"
[[source]]
name = "tape"
kind = "entries"
paths = ["tape.csv"]
"#;

/// Open, close and volume of bars of this kind of session.
fn bars(address: SocketAddr, timeframe: &str, session: &str) -> Vec<String> {
    let path = format!("/v1/candles/us:AAA?tf={timeframe}&session={session}&numbers=string");
    let answer = get(address, &path);
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let bar = |bar: &Value| {
        let text = |column: &str| bar[column].as_str().unwrap_or("-").to_owned();
        let open_time = text("open_time");
        let values = ["open", "close", "volume"].map(text).join(" ");
        format!("{} {values}", &open_time[5..19])
    };
    body["candles"].as_array().unwrap().iter().map(bar).collect()
}

#[test]
fn a_regular_day_has_its_closing_auction_however_long_that_took() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tape.csv"), TRADES).unwrap();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let live =
        ["run", "job.toml", "--listen", "127.0.0.1:0", "--record", "tape.rec", "--out", "live"];
    let mut run = Going::start(folder, &live);
    let address = run.address();
    // The source ends, so both days become final.
    let all = || {
        let body = get(address, "/v1/candles/us:AAA?tf=1d").json();
        let days = body["candles"].as_array()?;
        let is_final =
            |day: &Value| [Some("final"), Some("revised")].contains(&day["state"].as_str());
        (days.len() == 2 && days.iter().all(is_final)).then_some(())
    };
    poll(all, || run.stderr_text());

    let days = bars(address, "1d", "regular");
    let want = ["11-22T09:00:00 190.4 191.31 10000107", "11-24T09:00:00 190.87 189.97 5000100"];
    assert_eq!(days, want);
    let days = bars(address, "1d", "extended");
    let want = ["11-22T09:00:00 191.9 191.45 700", "11-24T09:00:00 190.1 190.1 10"];
    assert_eq!(days, want);
    let minutes = bars(address, "1m", "regular");
    let want = [
        "11-22T14:30:00 190.4 190.5 1000000",
        "11-22T20:59:00 191.2 191.31 9000107",
        "11-24T14:30:00 190.87 190.87 1000000",
        "11-24T17:59:00 189.9 189.97 4000100",
    ];
    assert_eq!(minutes, want);
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));

    let candles = |out: &str| fs::read_to_string(folder.join(out).join("candles.csv")).unwrap();
    for workers in ["1", "2", "3"] {
        let again = ["replay", "tape.rec", "-w", workers, "--out", "again"];
        assert_eq!(tickweave(folder, &again).code, Some(0));
        assert_eq!(candles("again"), candles("live"), "{workers} workers");
    }
}
