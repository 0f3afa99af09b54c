//! Five days of US equities, straight from the archives: implied decimals, no header, no ids, many trades
//! at the same time; symbol and day in the files' names.

use std::ffi::OsString;
use std::path::Path;

use super::bars::{Bar, Bars, expected, written};
use super::data::{shared, unzip_first};
use super::replay::{assert_replay, replay};

const DAYS: [&str; 5] = ["20131007", "20131008", "20131009", "20131010", "20131011"];

/// The midnights of [`DAYS`] as if New York's time were UTC, in milliseconds.
fn midnight(day: usize) -> i64 {
    1_381_104_000_000 + 86_400_000 * day as i64
}

/// What replays the archives of these symbols, times as in the expected bars.
fn arguments(shared: &Path, symbols: &[&str]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    for symbol in symbols {
        let archive =
            |day| format!("lean_us_equity_ticks/tick/{}_{day}_trade.zip", symbol.to_lowercase());
        arguments.extend(DAYS.map(|day| shared.join(archive(day)).into_os_string()));
    }
    let how = "--codec us-equity-ticks --option wall_time_as_utc=true --timeframes 1m";
    arguments.extend(how.split_whitespace().map(Into::into));
    arguments
}

/// Minutes of all ticks but the suspicious ones.
fn all_ticks(shared: &Path, symbols: &[&str]) -> Bars {
    let mut bars = Bars::new();
    for symbol in symbols {
        let name = format!("lean_{}_all_unsuspicious_ticks_60s", symbol.to_lowercase());
        bars.extend(expected(shared, &name, "1m", "us"));
    }
    bars
}

/// 906,352 ticks, on one to three workers.
#[test]
fn five_days_of_ibm_aig_and_bac() {
    let Some(shared) = shared("five_days_of_ibm_aig_and_bac") else { return };
    let symbols = ["IBM", "AIG", "BAC"];
    assert_replay(&arguments(&shared, &symbols), &[1, 2, 3], "1m", &all_ticks(&shared, &symbols));
}

/// 1,887,450 ticks. One instrument and the most rows by far, so on two workers only, to bound the time
/// that tests take.
#[test]
fn five_days_of_spy() {
    let Some(shared) = shared("five_days_of_spy") else { return };
    assert_replay(&arguments(&shared, &["SPY"]), &[2], "1m", &all_ticks(&shared, &["SPY"]));
}

/// The vendor's own minutes: open, high, low, close and volume in integers, without notional and trades.
fn minutes_of_vendor(shared: &Path, symbol: &str) -> Bars {
    let mut bars = Bars::new();
    for (day, date) in DAYS.iter().enumerate() {
        let name = format!("{}_minute_{date}_trade.zip", symbol.to_lowercase());
        let minutes = unzip_first(&shared.join("lean_us_equity_ticks/minute").join(name));
        for line in minutes.lines() {
            let mut values = line.split(',').map(|value| value.parse::<i64>().unwrap());
            let open_time = midnight(day) + values.next().unwrap();
            let mut next = |decimals: i64| {
                let value = values.next().unwrap();
                let text = format!("{}.{:04}", value / decimals, value % decimals);
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            };
            let [open, high, low, close] = [(); 4].map(|()| next(10_000));
            let volume = next(1);
            let bar = [open, high, low, close, volume, String::new(), String::new()];
            bars.insert((format!("us:{symbol}"), "1m".to_owned(), open_time), bar);
        }
    }
    bars
}

/// In how many minutes of the vendor's each of open, high, low, close and volume differs, in how many any
/// of the first four, and how many minutes only we have.
fn differences(found: &Bars, vendor: &Bars) -> [usize; 7] {
    let mut differences = [0; 7];
    for (key, wanted) in vendor {
        let own: &Bar = &found[key];
        for at in 0..5 {
            differences[at] += usize::from(own[at] != wanted[at]);
        }
        differences[5] += usize::from(own[..4] != wanted[..4]);
    }
    let of_symbol = |key: &&(String, String, i64)| vendor.keys().next().unwrap().0 == key.0;
    differences[6] =
        found.keys().filter(of_symbol).filter(|key| !vendor.contains_key(*key)).count();
    differences
}

/// The vendor drops prints by their conditions too, by rules that it has not written down. By ours, volume
/// is the vendor's in all of 11,374 minutes but 61 (73 without rules), which hold official or auction
/// prints. All four prices are the vendor's in 220 minutes more, by high and low; open and close are not
/// nearer, since it lets prints at average prices open and close a bar.
#[test]
fn conditions_bring_minutes_nearer_to_the_vendors() {
    let Some(shared) = shared("conditions_bring_minutes_nearer_to_the_vendors") else { return };
    let symbols = ["SPY", "BAC", "AIG", "IBM"];
    let without_rules = all_ticks(&shared, &symbols);
    let mut arguments = arguments(&shared, &symbols);
    arguments.extend("--option conditions=us-sip-all-hours".split(' ').map(Into::into));
    let (report, out) = replay(&arguments, 2);
    assert_eq!((&report["accepted"], &report["dead"]), (&2_793_802.into(), &0.into()), "{report}");
    let with_rules = written(&out.path().join("candles.csv"));

    let found = symbols.map(|symbol| {
        let vendor = minutes_of_vendor(&shared, symbol);
        let [off, on] = [&without_rules, &with_rules].map(|bars| differences(bars, &vendor));
        (symbol, vendor.len(), off, on)
    });
    // Open, high, low, close, volume; any price; minutes that only we have.
    let wanted = [
        ("SPY", 4_128, [174, 221, 279, 190, 23, 716, 0], [176, 129, 180, 195, 22, 570, 0]),
        ("BAC", 2_949, [76, 52, 50, 76, 15, 239, 0], [98, 25, 38, 101, 11, 199, 0]),
        ("AIG", 2_142, [265, 183, 238, 263, 17, 697, 3], [282, 165, 222, 280, 15, 657, 2]),
        ("IBM", 2_155, [460, 383, 458, 404, 18, 1_105, 2], [493, 388, 471, 449, 13, 1_111, 0]),
    ];
    assert_eq!(found, wanted);
}

/// Each archive by New York's sessions and its sale conditions: where the auction of the New York Stock Exchange prints
/// up to 86 s after the bell, and trades of extended hours one second after it.
#[test]
fn closing_auctions_are_in_the_regular_session() {
    const MINUTE: i64 = 60_000;
    let (open, bell, over) = (570 * MINUTE, 960 * MINUTE, 1_200 * MINUTE);
    let grace = 10_000;
    let Some(shared) = shared("closing_auctions_are_in_the_regular_session") else { return };
    let ticks = shared.join("lean_us_equity_ticks/tick");
    let symbols = ["IBM", "AIG", "BAC"];
    let archive = |symbol: &str, day| format!("{}_{day}_trade.zip", symbol.to_lowercase());
    let paths = symbols.iter().flat_map(|s| DAYS.map(|day| ticks.join(archive(s, day))));
    let job = format!(
        "[job]\ntimeframes = [\"1m\"]\ncalendar = \"us-equities\"\n\
         [[source]]\nname = \"ticks\"\nkind = \"file\"\ncodec = \"us-equity-ticks\"\n\
         options = {{ conditions = \"us-sip\" }}\npaths = {:?}\n",
        paths.collect::<Vec<_>>()
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.toml"), job).unwrap();
    let (report, out) = replay(&[folder.path().join("job.toml")], 2);
    assert_eq!((&report["accepted"], &report["dead"]), (&906_352.into(), &0.into()), "{report}");
    let bars = written(&out.path().join("candles.csv"));

    let mut after_the_grace = 0;
    for symbol in symbols {
        for (day, date) in DAYS.iter().enumerate() {
            let (mut volume, mut auction) = (0, None);
            let text = unzip_first(&ticks.join(archive(symbol, date)));
            for line in text.lines() {
                let [time, price, size, exchange, conditions, suspicious] =
                    line.split(',').collect::<Vec<_>>()[..]
                else {
                    panic!("{line}")
                };
                let flags = u32::from_str_radix(conditions, 16).unwrap();
                let time: i64 = time.parse().unwrap();
                let is = |condition: u32| flags & condition != 0;
                let (official, closing, extended) = (0x500_0000, 0x80, 0x2400);
                if suspicious != "0" || is(official) {
                    continue;
                }
                let ends = match () {
                    () if is(closing) => over,
                    () if is(extended) => bell,
                    () => bell + grace,
                };
                if (open..ends).contains(&time) {
                    volume += size.parse::<i64>().unwrap();
                }
                if is(closing) && exchange == "N" {
                    auction = Some(price.parse::<i64>().unwrap());
                    after_the_grace += usize::from(time >= bell + grace);
                }
            }
            // New York is four hours behind in October.
            let midnight = midnight(day) + 240 * MINUTE;
            let key = |open: i64| (format!("us:{symbol}"), "1m".to_owned(), midnight + open);
            let regular = bars.range(key(open)..key(bell + grace));
            let found: i64 = regular.map(|(_, bar)| bar[4].parse::<i64>().unwrap()).sum();
            assert_eq!(found, volume, "{symbol} {date}");
            let close = auction.unwrap() as f64 / 10_000.0;
            assert_eq!(bars[&key(bell - MINUTE)][3], close.to_string(), "{symbol} {date}");
        }
    }
    assert_eq!(after_the_grace, 9, "auctions that a grace of 10 s misses");
}
