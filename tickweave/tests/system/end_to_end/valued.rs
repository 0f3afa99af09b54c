//! What positions are worth in other currencies, and what is not valued.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::binary::tickweave;

const ENTRIES: &str = "type,portfolio,id,instrument,time,side,quantity,price,fee
trade,,1,fx:GBPUSD,2026-01-05T14:30:00Z,,1,1.25,
trade,,1,fx:EURUSD,2026-01-05T14:30:00Z,,1,1.10,
trade,,1,fx:USDJPY,2026-01-05T14:30:00Z,,1,150,
trade,,1,lse:BARC,2026-01-05T14:30:00Z,,1,320,
trade,,1,lse:VOD,2026-01-05T14:30:00Z,,1,0.80,
trade,,1,tse:7203,2026-01-05T14:30:00Z,,1,3000,
trade,,1,swap:BTC,2026-01-05T14:30:00Z,,1,50000,
fill,usd,1,lse:VOD,2026-01-05T14:29:00Z,buy,100,0.75,1.5
fill,usd,3,lse:BARC,2026-01-05T14:29:00Z,buy,1000,310,0
fill,usd,6,swap:BTC,2026-01-05T14:29:00Z,buy,3,40000,0
fill,eur,4,lse:VOD,2026-01-05T14:29:00Z,buy,100,0.75,1.5
fill,eur,5,tse:7203,2026-01-05T14:29:00Z,sell,100,3100,0
fill,usd,10,opt:AAPL260116C200,2026-01-05T14:29:00Z,buy,2,1.35,0
fill,usd,11,opt:AAPL260116C200,2026-01-16T21:00:00Z,sell,2,0,0
fill,sek,12,lse:VOD,2026-01-05T14:29:00Z,buy,100,0.75,0
fill,usd,13,inv:BTCUSD,2026-01-05T14:29:00Z,buy,100,40000,0
";

const JOB: &str = r#"
[job]
timeframes = ["1m"]
reject_after = "forever"
correction_horizon = "forever"
[[instrument]]
pattern = "opt:*"
quote = "USD"
multiplier = 100
[[instrument]]
pattern = "swap:*"
quote = "USD"
multiplier = 0.01
[[instrument]]
pattern = "inv:*"
quote = "BTC"
multiplier = 100
[[instrument]]
pattern = "lse:BARC"
quote = "GBX"
[[instrument]]
pattern = "lse:*"
quote = "GBP"
[[instrument]]
pattern = "tse:*"
quote = "JPY"
[[instrument]]
pattern = "fx:USDJPY"
quote = "JPY"
[[instrument]]
pattern = "fx:*"
quote = "USD"
[[portfolio]]
name = "eur"
currency = "EUR"
[[portfolio]]
name = "sek"
currency = "SEK"
[[rate]]
pair = "GBP/USD"
instrument = "fx:GBPUSD"
[[rate]]
pair = "EUR/USD"
instrument = "fx:EURUSD"
[[rate]]
pair = "USD/JPY"
instrument = "fx:USDJPY"
[[source]]
name = "desk"
kind = "entries"
paths = ["entries.csv"]
"#;

/// The rows of a view by their key of `keys` columns, with the named columns.
pub(super) fn view(
    folder: &Path,
    name: &str,
    keys: usize,
    columns: &[&str],
) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(folder.join(format!("views/{name}.csv"))).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let places: Vec<_> = columns
        .iter()
        .map(|name| header.iter().position(|column| column == name).unwrap())
        .collect();
    lines
        .map(|row| (row[..keys].join(" "), places.iter().map(|at| row[*at].clone()).collect()))
        .collect()
}

#[test]
fn pence_third_currencies_parts_of_coins_and_expired_options() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("entries.csv"), ENTRIES).unwrap();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let args = ["replay", "job.toml", "--out", "views", "--json", "-w", "2"];
    let ran = tickweave(folder, &args);
    assert_eq!(ran.json()["dead"], 1, "{}", ran.err);
    let dead = fs::read_to_string(folder.join("views/dead_letters.csv")).unwrap();
    for part in ["`inv:BTCUSD` is an inverse contract", "inverse = false"] {
        assert!(dead.contains(part), "{dead}");
    }

    let positions = view(
        folder,
        "positions",
        2,
        &["quantity", "realised", "state", "base_value", "base_realised"],
    );
    let row = |key: &str| positions[key].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(row("usd lse:BARC"), ["1000", "0", "priced", "4000", "0"]);
    assert_eq!(row("usd swap:BTC"), ["3", "0", "priced", "1500", "0"]);
    assert_eq!(row("usd opt:AAPL260116C200"), ["0", "-270", "priced", "0", "-270"]);
    assert_eq!(row("eur lse:VOD"), ["100", "0", "priced", "90.909090909", "0"]);
    assert_eq!(row("eur tse:7203"), ["-100", "0", "priced", "-1818.181818182", "0"]);
    assert_eq!(row("sek lse:VOD"), ["100", "0", "no_rate", "", ""]);
    let portfolios = view(folder, "portfolios", 1, &["unpriced", "equity"]);
    assert_eq!(portfolios["sek"], ["1", ""], "what nobody can price is not worth 0");
    assert_eq!(portfolios["eur"][0], "0");
}
