//! Fees in other currencies than prices, as venues of coins take them.

use std::fs;
use std::path::Path;

use super::binary::tickweave;
use super::valued::view;

/// A BNB costs 600 dollars and then 500, a bitcoin 50,000. Nothing says what an OKB costs.
const ENTRIES: &str = "type,portfolio,id,instrument,time,side,quantity,price,fee,fee_currency
trade,,1,bn:BNBUSDT,2026-01-05T14:30:00Z,,1,600,,
trade,,1,bn:BTCUSDT,2026-01-05T14:30:00Z,,1,50000,,
fill,main,1,bn:BTCUSDT,2026-01-05T14:29:00Z,buy,2,40000,0.1,BNB
fill,main,2,bn:BTCUSDT,2026-01-05T14:29:01Z,buy,1,40000,0.001,BTC
fill,main,3,bn:BTCUSDT,2026-01-05T14:29:02Z,sell,1,40000,12.5,
fill,main,4,bn:BTCUSDT,2026-01-05T14:29:03Z,sell,1,40000,0.5,OKB
fill,euro,1,bn:BTCUSDT,2026-01-05T14:29:00Z,buy,2,40000,0.3,BNB
fill,euro,1,bn:BTCUSDT,2026-01-05T14:29:00Z,buy,2,40000,0.3,
fill,euro,2,bn:BTCUSDT,2026-01-05T14:29:04Z,buy,1,40000,1,bnb
";

/// The fill in OKB was really one in BNB, a rebate; and a BNB costs less.
const LATER: &str = "type,portfolio,id,instrument,time,side,quantity,price,fee,fee_currency
fill_correct,main,4,bn:BTCUSDT,2026-01-05T14:29:03Z,sell,1,40000,-0.02,BNB
bust,main,2,,,,,,,
trade,,2,bn:BNBUSDT,2026-01-05T14:31:00Z,,1,500,,
";

const JOB: &str = r#"
[job]
timeframes = ["1m"]
reject_after = "forever"
correction_horizon = "forever"
[[instrument]]
pattern = "bn:*"
quote = "USDT"
[portfolios]
currency = "USDT"
[[portfolio]]
name = "euro"
currency = "EUR"
[[rate]]
pair = "BNB/USDT"
instrument = "bn:BNBUSDT"
[[rate]]
pair = "BTC/USDT"
instrument = "bn:BTCUSDT"
[[rate]]
pair = "EUR/USDT"
fixed = 1.25
[[source]]
name = "desk"
kind = "entries"
paths = PATHS
"#;

/// What a replay of these files shows.
fn replayed(folder: &Path, paths: &str, workers: &str) -> u64 {
    fs::write(folder.join("job.toml"), JOB.replace("PATHS", paths)).unwrap();
    let args = ["replay", "job.toml", "--out", "views", "--json", "-w", workers];
    let ran = tickweave(folder, &args);
    ran.json()["dead"].as_u64().unwrap_or_else(|| panic!("{}", ran.err))
}

#[test]
fn fees_in_coins_count_in_the_currency_of_the_portfolio() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("entries.csv"), ENTRIES).unwrap();
    fs::write(folder.join("later.csv"), LATER).unwrap();

    assert_eq!(replayed(folder, r#"["entries.csv"]"#, "2"), 1, "bnb is no currency");
    let dead = fs::read_to_string(folder.join("views/dead_letters.csv")).unwrap();
    assert!(dead.contains("fee_currency: \"\"bnb\"\" is not a currency"), "{dead}");
    let fees = view(folder, "fees", 3, &["fees", "state", "base_fees"]);
    assert_eq!(fees["main bn:BTCUSDT BNB"], ["0.1", "priced", "60"]);
    assert_eq!(fees["main bn:BTCUSDT BTC"], ["0.001", "priced", "50"]);
    assert_eq!(fees["main bn:BTCUSDT USDT"], ["12.5", "priced", "12.5"]);
    assert_eq!(fees["main bn:BTCUSDT OKB"], ["0.5", "no_rate", ""]);
    assert_eq!(fees["euro bn:BTCUSDT BNB"], ["0.3", "priced", "144"]);
    assert_eq!(fees.len(), 5);
    let of_position = ["quantity", "fees", "state", "base_value", "base_fees"];
    let positions = view(folder, "positions", 2, &of_position);
    assert_eq!(positions["main bn:BTCUSDT"], ["1", "12.5", "no_fee_rate", "50000", ""]);
    assert_eq!(positions["euro bn:BTCUSDT"], ["2", "0", "priced", "80000", "144"]);
    let of_portfolio = ["unpriced", "unpriced_fees", "net", "fees", "pnl", "equity"];
    let portfolios = view(folder, "portfolios", 1, &of_portfolio);
    assert_eq!(portfolios["main"], ["0", "1", "50000", "", "", ""], "unknown is not 0");
    assert_eq!(portfolios["euro"], ["0", "0", "80000", "144", "15856", "15856"]);

    let fees = ["fault", "kept_fee", "kept_fee_currency", "dropped_fee", "dropped_fee_currency"];
    let faults = view(folder, "fill_faults", 4, &fees);
    let shown: Vec<_> = faults.values().collect();
    assert_eq!(shown, [&["conflict", "0.3", "BNB", "0.3", "USDT"]]);

    for workers in ["1", "3"] {
        assert_eq!(replayed(folder, r#"["entries.csv", "later.csv"]"#, workers), 1);
        let fees = view(folder, "fees", 3, &["fees", "state", "base_fees"]);
        assert_eq!(fees["main bn:BTCUSDT BNB"], ["0.08", "priced", "40"]);
        assert_eq!(fees["euro bn:BTCUSDT BNB"], ["0.3", "priced", "120"]);
        assert_eq!(fees.len(), 3, "nothing is paid in OKB and BTC any more");
        let portfolios = view(folder, "portfolios", 1, &of_portfolio);
        // Two bought at 40,000 and both sold for that; 40 and 12.5 paid.
        assert_eq!(portfolios["main"], ["0", "0", "0", "52.5", "-52.5", "-52.5"]);
    }
}
