//! The demo as a user starts it, and half an hour of it on a compressed clock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::publish::Board;
use dataflows::run::{Report, RunOptions, replay_files};
use market::{EventTime, Span};

use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::get;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Sets keys of the demo's venue, for both of its providers and whoever trades there.
fn set_venue<const N: usize>(raw: &mut RawConfig, keys: [(&str, toml::Value); N]) {
    for source in &mut raw.source {
        let keys = keys.clone().map(|(key, value)| (key.to_owned(), value));
        match source.rest.get_mut("venue") {
            Some(toml::Value::Table(venue)) => venue.extend(keys),
            _ => source.rest.extend(keys),
        }
    }
}

/// The demo's configuration at another rate, bounded, from the opening of the venue on, and with more that goes wrong, so
/// that few ticks show it.
pub(crate) fn config(ticks_per_second: i64, ticks: i64, workers: usize) -> RawConfig {
    let mut raw = RawConfig::read(&examples().join("demo.toml")).unwrap();
    raw.job.workers = workers;
    raw.commit.file_rows = 200;
    let faults = "late = 0.000_5\ncorrected = 0.000_5\ncancelled = 0.000_2";
    let keys = [
        ("ticks_per_second", ticks_per_second.into()),
        ("ticks", ticks.into()),
        ("backfill", "0s".into()),
        ("faults", faults.parse::<toml::Table>().unwrap().into()),
    ];
    set_venue(&mut raw, keys);
    raw
}

fn replay(raw: RawConfig, options: &RunOptions) -> Report {
    replay_files(raw.check(&examples()).unwrap(), options, &Stop::default()).unwrap()
}

#[test]
fn the_demo_serves_candles_shows_its_state_and_stops_with_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let args = ["--json", "demo", "--port", "0", "--ticks-per-second", "2000", "-w", "2"];
    let args = [&args[..], &["--backfill", "1h"]].concat();
    let mut demo = Going::start(folder.path(), &args);
    let address = demo.address();
    let first = poll(
        || {
            let answer = get(address, "/v1/candles/demo:ALFA?timeframe=5s&limit=1");
            let candles = answer.json()["candles"].as_array()?.clone();
            candles.first().cloned()
        },
        || demo.stderr_text(),
    );
    eprintln!("the first candle was served {:?} after the start: {first}", began.elapsed());
    demo.wait_for(&format!("curl 'http://{address}/v1/candles/demo:ALFA"));
    // Both providers speak, and repeat each other.
    let metrics = || get(address, "/metrics").body;
    poll(
        || {
            let metrics = metrics();
            let sample = |start: &str| {
                let line = metrics.lines().find(|line| line.starts_with(start))?;
                line.rsplit(' ').next()?.parse::<f64>().ok().filter(|n| *n > 0.0)
            };
            sample("tickweave_duplicates_total{source=\"north\"}")
                .or_else(|| sample("tickweave_duplicates_total{source=\"south\"}"))?;
            sample("tickweave_tick_to_view_seconds_count")
        },
        metrics,
    );
    demo.signal("TERM");
    let summary = demo.end().json();
    assert!(summary["accepted"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["dead"], 0, "{summary}");
}

#[test]
fn the_demo_raises_alerts_and_its_state_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--json", "demo", "--port", "0", "--ticks-per-second", "2000"];
    let args = [&args[..], &["--backfill", "0s"]].concat();
    let mut demo = Going::start(folder.path(), &args);
    let address = demo.address();
    // The state is a line of the log now and then, as nobody looks at a terminal.
    let state = || {
        let said = demo.stderr_text();
        let (_, output) = said.rsplit_once("  alerts raised ")?;
        let (raised, withdrawn) = output.lines().next()?.split_once("  withdrawn ")?;
        let number = |text: &str| text.replace(',', "").parse::<u64>().ok();
        Some((number(raised)?, number(withdrawn)?))
    };
    let (raised, withdrawn) = poll(
        || state().filter(|(raised, withdrawn)| *raised > 0 && *withdrawn > 0),
        || demo.stderr_text(),
    );
    // The line shows the rows of the view: rows stay, and each was raised at least once.
    let alerts = get(address, "/v1/views/alerts?limit=10000").json();
    let rows = alerts["rows"].as_array().unwrap();
    let rules = ["engulfing", "breakout", "overbought", "ema_cross"];
    assert!(rows.iter().all(|row| rules.contains(&row["rule"].as_str().unwrap())), "{alerts}");
    let metrics = get(address, "/metrics").body;
    let counted = |what: &str| {
        let samples = metrics.lines().filter(|line| line.starts_with(what));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    assert!(counted("tickweave_alerts_raised_total{rule=\"engulfing\"}") > 0, "{metrics}");
    assert!(counted("tickweave_alerts_raised_total") >= raised.max(rows.len() as u64), "{metrics}");
    assert!(counted("tickweave_alerts_withdrawn_total") >= withdrawn, "{metrics}");
    for rule in rules {
        assert!(metrics.contains(&format!("tickweave_alerts_withdrawn_total{{rule=\"{rule}\"}}")));
    }
    demo.signal("TERM");
    let summary = demo.end().json();
    assert!(summary["alerts_raised"].as_u64() >= Some(raised), "{summary}");
    assert!(summary["alerts_withdrawn"].as_u64() >= Some(withdrawn), "{summary}");
}

#[test]
fn a_simulated_venue_replays_the_same_on_any_number_of_workers() {
    let options = || RunOptions { digest: true, ..RunOptions::default() };
    let views = |workers| replay(config(500, 40_000, workers), &options()).views;
    let one = views(1);
    assert_eq!(one, views(2));
    assert_eq!(one, views(3));
}

/// Runs two providers: the report, and the rows of `gaps`.
fn gaps_of(folder: &Path, raw: &RawConfig) -> (serde_json::Value, Vec<String>) {
    std::fs::write(folder.join("job.toml"), toml::to_string(raw).unwrap()).unwrap();
    let output = tickweave(folder, &["--json", "replay", "job.toml", "-w", "2", "--out", "out"]);
    let gaps = std::fs::read_to_string(folder.join("out/gaps.csv")).unwrap();
    (output.json(), gaps.lines().skip(1).map(str::to_owned).collect())
}

/// A second of silence in each five: of one provider after the other, and of both at once.
#[test]
fn an_outage_of_both_providers_is_a_gap_and_one_of_either_is_none() {
    const TICKS: i64 = 20_000;
    let outages = |providers: i64| {
        let mut raw = config(500, TICKS, 1);
        raw.source.retain(|source| source.kind == "simulated"); // without simulated fills
        for (source, provider) in raw.source.iter_mut().zip(1..) {
            let faults = "late = 0.0\ncorrected = 0.0\ncancelled = 0.0\nlost = 0.0\nconflicting = 0.0\n\
                          outage_every = \"5s\"\noutage_for = \"1s\"";
            source.rest.insert("faults".to_owned(), faults.parse::<toml::Table>().unwrap().into());
            source.rest.insert("providers".to_owned(), providers.into());
            source.rest.insert("provider".to_owned(), provider.min(providers).into());
        }
        raw
    };
    let folder = tempfile::tempdir().unwrap();
    let (report, gaps) = gaps_of(folder.path(), &outages(2));
    assert_eq!(report["accepted"], TICKS, "{report}");
    assert!(gaps.is_empty(), "the other provider brought what one did not: {gaps:?}");

    // Both are the first of one, so that they are silent together.
    let (report, gaps) = gaps_of(folder.path(), &outages(1));
    let accepted = report["accepted"].as_i64().unwrap();
    let busiest: Vec<&String> = gaps.iter().filter(|row| row.starts_with("demo:ALFA,")).collect();
    assert!(busiest.len() >= 7, "in each of 40 s / 5 s but maybe the last: {gaps:?}");
    let start = EventTime::parse("2026-01-05T10:00:00Z", market::TimeUnit::Rfc3339).unwrap();
    let mut missing = 0;
    for row in &gaps {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells[1], "demo", "the name of the space of ids");
        missing += cells[4].parse::<i64>().unwrap();
        let at =
            |cell: &str| EventTime::parse(cell, market::TimeUnit::Rfc3339).unwrap().0 - start.0;
        let (from, to) = (at(cells[5]), at(cells[6]));
        assert!(from % 5_000_000_000 < 4_000_000_000, "output while nobody speaks: {row}");
        assert!(from / 5_000_000_000 < to / 5_000_000_000, "an outage lies between: {row}");
    }
    // What is missing at a symbol's end, or before its beginning, nobody can know.
    let lacks = TICKS - accepted;
    assert!(missing <= lacks && missing > lacks * 9 / 10, "{missing} of {lacks}");
    eprintln!("{} gaps, {missing} of {lacks} trades that were not output", gaps.len());
}

#[test]
fn a_recorded_demo_comes_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let text = toml::to_string(&config(400, 400, 1)).unwrap();
    std::fs::write(folder.path().join("demo.toml"), text).unwrap();
    let args = ["--json", "run", "demo.toml", "--listen", "127.0.0.1:0"];
    let args = [&args[..], &["--record", "demo.rec", "--digest"]].concat();
    let mut run = Going::start(folder.path(), &args);
    let address = run.address();
    // Both providers have sent everything: bars are final though the venue is silent.
    let finals = "/v1/candles/demo:ALFA?timeframe=1h&limit=1";
    poll(
        || {
            let answer = get(address, finals);
            let state = answer.json()["candles"][0]["state"].as_str()?.to_owned();
            matches!(&*state, "final" | "revised").then_some(())
        },
        || format!("{} {}", get(address, finals).body, run.stderr_text()),
    );
    run.signal("INT");
    let live = run.end().json();
    let again = tickweave(folder.path(), &["--json", "replay", "demo.rec", "-w", "2", "--digest"]);
    assert_eq!(live["views"], again.json()["views"]);
}

/// A demo of few symbols that back-fills; what is late in a venue that is open is left out.
fn backfilled(ticks: i64, backfill: &str) -> RawConfig {
    let mut raw = config(400, ticks, 1);
    let faults = "late = 0.0\ncorrected = 0.000_5".parse::<toml::Table>().unwrap();
    let keys = [("symbols", 8.into()), ("backfill", backfill.into()), ("faults", faults.into())];
    set_venue(&mut raw, keys);
    raw
}

/// The trades of 8 symbols in seven hours before the venue opens, of which five are busy.
const TOLD: u64 = 5 * 4 * (360 + 720) + 3 * 2 * (24 + 240 + 720);

/// The bars of a symbol, oldest first, as the page asks for them.
fn bars(address: std::net::SocketAddr, symbol: &str, timeframe: &str) -> Vec<serde_json::Value> {
    let path = format!("/v1/candles/demo:{symbol}?timeframe={timeframe}&limit=300");
    get(address, &path).json()["candles"].as_array().cloned().unwrap_or_default()
}

fn time(cell: &serde_json::Value) -> EventTime {
    EventTime::parse(cell.as_str().unwrap(), market::TimeUnit::Rfc3339).unwrap()
}

/// Once both providers have caught up, every chart is full: of the busiest symbol and of one that trades seldom.
#[test]
fn a_demo_is_full_at_the_first_look_and_replays_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let text = toml::to_string(&backfilled(1_000_000, "7h")).unwrap();
    std::fs::write(folder.path().join("demo.toml"), text).unwrap();
    let args = ["--json", "run", "demo.toml", "--listen", "127.0.0.1:0"];
    let args = [&args[..], &["--record", "demo.rec", "--digest"]].concat();
    let mut run = Going::start(folder.path(), &args);
    let address = run.address();
    let began = EventTime(system_nanos());
    let providers = || {
        let rows = get(address, "/v1/views/sources").json()["rows"].as_array().cloned()?;
        let mut rows = rows.into_iter().filter(|row| row["kind"] == "simulated");
        Some([rows.next()?, rows.next()?])
    };
    let caught_up = poll(
        || {
            let both = providers()?;
            for row in both.iter().filter(|row| row["caught_up"] == "yes") {
                assert!(row["rows"].as_u64() >= Some(TOLD), "not before all was told: {row}");
            }
            both.iter().all(|row| row["caught_up"] == "yes").then_some(both)
        },
        || format!("{:?} {}", providers(), run.stderr_text()),
    );
    for row in &caught_up {
        assert!(time(&row["newest_time"]) > began.before(Span::secs(60)), "{row}");
    }
    let least = |rows: &[serde_json::Value; 2]| {
        rows.iter().map(|row| time(&row["watermark"])).min().unwrap()
    };
    let watermark = least(&caught_up);
    // Larger bars follow two rounds later.
    let mut before = watermark;
    for _ in 0..2 {
        let later = || providers().map(|rows| least(&rows)).filter(|later| *later > before);
        before = poll(later, || run.stderr_text());
    }
    for symbol in ["ALFA", "HOTEL"] {
        for (timeframe, secs, least) in
            [("5s", 5, 300), ("10s", 10, 300), ("1m", 60, 300), ("5m", 300, 84), ("1h", 3_600, 7)]
        {
            let bars = bars(address, symbol, timeframe);
            assert!(bars.len() >= least, "{symbol} {timeframe}: {} bars", bars.len());
            let open = |bar: &serde_json::Value| time(&bar["open_time"]);
            for pair in bars.windows(2) {
                assert_eq!(open(&pair[1]), open(&pair[0]).after(Span::secs(secs)), "{pair:?}");
            }
            let newest = bars.last().unwrap();
            assert!(open(newest).after(Span::secs(2 * secs)) > watermark, "up to now: {newest}");
            for bar in &bars {
                let is_final = ["final", "revised"].contains(&bar["state"].as_str().unwrap());
                let has_ended = open(bar).after(Span::secs(secs)) <= watermark;
                assert!(is_final || !has_ended, "{watermark}: {bar}");
                assert_ne!(bar["state"], "partial");
            }
        }
    }
    run.signal("INT");
    let live = run.end().json();
    assert_eq!(live["late"], 0, "{live}");
    assert!(live["accepted"].as_u64() >= Some(TOLD), "{live}");
    assert!(live["duplicates"].as_u64() >= Some(TOLD), "both tell the same: {live}");
    let again = tickweave(folder.path(), &["--json", "replay", "demo.rec", "-w", "2", "--digest"]);
    assert_eq!(live["views"], again.json()["views"]);
}

fn system_nanos() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

#[test]
fn a_back_fill_replays_the_same_on_any_number_of_workers() {
    let report = |workers| {
        let mut raw = backfilled(4_000, "7h");
        raw.job.workers = workers;
        replay(raw, &RunOptions { digest: true, ..RunOptions::default() })
    };
    let one = report(1);
    assert_eq!(one.totals.late, 0, "{:?}", one.totals);
    assert!(one.totals.accepted >= TOLD + 4_000, "{:?}", one.totals);
    assert!(one.totals.duplicates >= TOLD, "{:?}", one.totals);
    assert_eq!(one.views, report(3).views);
}

/// What a job holds when everything up to an event time is complete.
#[derive(Clone, Copy, Debug)]
struct Held {
    at: EventTime,
    ids: usize,
    ledger_bytes: usize,
    bars: u64,
}

fn held(board: &Board) -> Held {
    let at = board.frontier().at;
    let ledgers = board.gauges.iter().filter(|((_, operator), _)| *operator == "ledger");
    let (ids, ledger_bytes) =
        ledgers.fold((0, 0), |(ids, bytes), (_, gauge)| (ids + gauge.ids(), bytes + gauge.bytes()));
    Held { at, ids, ledger_bytes, bars: board.rows("candles") }
}

/// 32 minutes of the demo, at a lower rate: what is kept for a horizon does not grow once the horizon
/// is full. Bars are never dropped, so they grow with time, by a known number of bytes each.
#[test]
fn half_an_hour_of_the_demo_keeps_no_more_trades_than_ten_minutes() {
    const RATE: i64 = 200;
    let samples: Arc<Mutex<Vec<Held>>> = Arc::default();
    let ended = Arc::new(AtomicBool::new(false));
    let watch = {
        let (samples, ended) = (Arc::clone(&samples), Arc::clone(&ended));
        move |board: Arc<Board>| {
            let mut known = 0;
            while !ended.load(Ordering::SeqCst) {
                let Ok(now) = board.wait_for_progress(known, Duration::from_millis(20)) else {
                    break;
                };
                known = now;
                samples.lock().unwrap().push(held(&board));
            }
        }
    };
    let options = RunOptions {
        on_start: Some(Box::new(move |started| {
            let (watch, board) = (watch.clone(), Arc::clone(&started.board));
            thread::spawn(move || watch(board));
        })),
        ..RunOptions::default()
    };
    let report = replay(config(RATE, 32 * 60 * RATE, 2), &options);
    ended.store(true, Ordering::SeqCst);
    eprintln!("{:?} in {:?}", report.totals, report.elapsed);
    assert!(report.totals.corrections > 100 && report.totals.late > 0, "{:?}", report.totals);

    let samples = samples.lock().unwrap().clone();
    let start = EventTime::parse("2026-01-05T10:00:00Z", market::TimeUnit::Rfc3339).unwrap();
    let most = |from: i64, to: i64| {
        let minute = |n| start.after(Span::secs(60 * n));
        let within = samples.iter().filter(|held| (minute(from)..minute(to)).contains(&held.at));
        *within.max_by_key(|held| held.ids).expect("this part of the replay was watched")
    };
    let (ten, thirty) = (most(5, 10), most(25, 30));
    eprintln!("after ten minutes {ten:?}, after thirty {thirty:?}");
    assert!((thirty.ids as f64) < 1.1 * ten.ids as f64, "ids grow: {ten:?}, then {thirty:?}");
    // One horizon of trades, and no more than twice that.
    assert!(thirty.ids < 2 * 60 * RATE as usize, "{thirty:?}");
    // Besides, only bars: about 1.3 kB each.
    let more_bytes = thirty.ledger_bytes as f64 - ten.ledger_bytes as f64;
    let more_bars = (thirty.bars - ten.bars) as f64;
    let trades = 0.1 * ten.ledger_bytes as f64;
    assert!(
        more_bytes < 2_000.0 * more_bars + trades,
        "{more_bytes} bytes more for {more_bars} bars more"
    );
    eprintln!("{more_bytes} bytes more for {more_bars} bars more");
}
