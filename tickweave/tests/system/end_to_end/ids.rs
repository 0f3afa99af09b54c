//! Ids that are not unique for ever.

use std::fmt::Write;
use std::fs;

use super::binary::tickweave;

/// The cells of a column of a CSV.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().unwrap().iter().position(|column| column == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

#[test]
fn ids_show_as_their_source_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let uuid = "a1b2c3d4-0000-4b1e-9d3a-0123456789ab";
    let rows = [
        format!("60,trade,N,{uuid},100"),
        format!("61,trade,N,{uuid},101"),
        "62,trade,N,007,102".to_owned(),
        "63,trade,N,1e5,103".to_owned(),
        "64,trade,N,17,104".to_owned(),
        "65,trade,N,\"a|b, \x07\",105".to_owned(),
        format!("65,trade,N,{},106", "x".repeat(500)),
        "190,trade,Q,18,107".to_owned(),
        format!("66,cancel,N,{uuid},"),
    ];
    let csv = format!("ts,kind,venue,id,price\n{}\n", rows.join("\n"));
    fs::write(folder.join("t.csv"), csv).unwrap();
    let replay = |id: &str, more: &[&str]| {
        let job = format!(
            r#"
[job]
timeframes = ["1m"]
[commit]
file_rows = 1
file_order = "lines"
[[source]]
name = "f"
kind = "file"
paths = ["t.csv"]
instrument = "x:A"
disorder = "0s"
units = {{ time = "s" }}
{id}
"#
        );
        fs::write(folder.join("job.toml"), job).unwrap();
        let args = ["replay", "job.toml", "--json", "--out", "views"];
        tickweave(folder, &[&args[..], more].concat()).json();
        let view =
            |name: &str| fs::read_to_string(folder.join(format!("views/{name}.csv"))).unwrap();
        let ids = column(&view("trades"), "id").into_iter().filter(|id| !id.is_empty()).collect();
        (ids, view)
    };
    let columns = |id: &str| {
        format!(
            "columns = {{ time = \"ts\", price = \"price\", size = \"price\", kind = \"kind\", id = {id} }}"
        )
    };
    let (ids, view): (Vec<String>, _) = replay(&columns("\"id\""), &["--record", "run.rec"]);
    assert_eq!(ids[..4], [uuid, "007", "1e5", "17"]);
    assert!(ids[4].starts_with("a|b, \u{FFFD}…#") && ids[6] == "18", "{ids:?}");
    assert!(ids[5].starts_with("xxxx") && ids[5].len() <= 96, "{ids:?}");
    assert_eq!(column(&view("conflicts"), "id"), [uuid]);
    assert_eq!(column(&view("revisions"), "cause_id"), [uuid]);
    assert_eq!(column(&view("candles"), "cause_id"), [uuid, ""]);
    let raw = view("trades");
    let quoted = raw.contains(",\"007\",") && raw.contains(",\"1e5\",") && raw.contains(",17,");
    assert!(quoted, "{raw}");

    // A recording holds the texts.
    let before = ["trades", "conflicts", "candles"].map(&view);
    tickweave(folder, &["replay", "run.rec", "--json", "--out", "views", "-w", "3"]).json();
    assert_eq!(["trades", "conflicts", "candles"].map(&view), before);

    let (ids, _) = replay(&columns("[\"venue\", \"id\"]"), &[]);
    assert_eq!(ids[..2], [format!("N|{uuid}"), "N|007".to_owned()]);
    let (ids, _) = replay(&format!("{}\nid_period = \"day\"", columns("\"id\"")), &[]);
    assert_eq!(ids[3], "1970-01-01|17");
}

#[test]
fn ids_that_begin_anew_every_day_are_other_trades() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut csv = String::from("ts,venue,id,price,size\n");
    for day in 0..3 {
        for id in 1..=10 {
            let time = 1_767_605_400 + day * 86_400 + id * 5;
            for venue in ["N", "Q"] {
                writeln!(csv, "{time},{venue},{id},{},1", 100 + day).unwrap();
            }
        }
    }
    fs::write(folder.join("daily.csv"), csv).unwrap();
    let args = ["replay", "daily.csv", "--instrument", "x:A", "--time", "ts", "--time-unit", "s"];
    let replay = |ids: &[&str]| {
        let summary =
            tickweave(folder, &[&args[..], &["--timeframes", "1d", "--json"], ids].concat()).json();
        let n = |key: &str| summary[key].as_u64().unwrap();
        ["accepted", "conflicts", "dead"].map(n)
    };
    assert_eq!(replay(&["--id", "venue,id", "--id-period", "day"]), [60, 0, 0]);
    assert_eq!(replay(&["--id", "venue,id", "--id-period", "day", "-w", "3"]), [60, 0, 0]);
    assert_eq!(replay(&["--id", "id", "--id-period", "day"]), [30, 0, 0], "copies");
    let [accepted, conflicts, dead] = replay(&["--id", "venue,id"]);
    assert_eq!((accepted, dead), (20, 0));
    assert!(conflicts > 0);
}

/// The rows of days on which two exchanges begin their ids anew.
fn daily(days: i64) -> String {
    let mut csv = String::from("ts,venue,id,price,size\n");
    for day in 0..days {
        for id in 1..=4 {
            let time = 1_672_617_600 + day * 86_400 + id * 3_600;
            for venue in ["N", "Q"] {
                writeln!(csv, "{time},{venue},{id},{}.5,{id}", 100 + day % 7).unwrap();
            }
        }
    }
    csv
}

#[test]
fn three_years_of_ids_that_begin_anew_every_day_count_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    const DAYS: i64 = 3 * 365 + 1;
    fs::write(folder.join("years.csv"), daily(DAYS)).unwrap();
    let args = "replay years.csv --instrument x:A --time ts --time-unit s --timeframes 1h,1d --id venue,id --id-period day \
                --out views --json";
    let args: Vec<&str> = args.split_whitespace().collect();
    let summary = tickweave(folder, &args).json();
    let n = |key: &str| summary[key].as_u64().unwrap();
    let counts = ["accepted", "conflicts", "duplicates", "late", "dead", "reused_ids"].map(n);
    assert_eq!(counts, [8 * DAYS as u64, 0, 0, 0, 0, 0]);
    let candles = fs::read_to_string(folder.join("views/candles.csv")).unwrap();
    let of = |name: &str| column(&candles, name);
    let days = of("timeframe").into_iter().zip(of("trades")).zip(of("volume"));
    let days: Vec<_> = days.filter(|((timeframe, _), _)| timeframe == "1d").collect();
    assert_eq!(days.len(), DAYS as usize);
    assert!(days.iter().all(|((_, trades), volume)| trades == "8" && volume == "20"));
}

#[test]
fn ids_that_are_used_again_are_told_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("daily.csv"), daily(3)).unwrap();
    let args =
        "replay daily.csv --instrument x:A --time ts --time-unit s --timeframes 1d --id venue,id";
    let args: Vec<&str> = args.split_whitespace().collect();
    let told = "ids of scope `x` are used again: 16 trades are left out as conflicts, since each has the id of a trade an hour \
                or more away, such as N|";
    let output = tickweave(folder, &args);
    assert!(output.out.contains(told), "{}", output.out);
    assert!(output.out.contains(" of x:A at 2023-01-02T"), "{}", output.out);
    assert!(output.out.contains("--id-period day"));
    let summary = tickweave(folder, &[&args[..], &["--json"]].concat()).json();
    assert_eq!(summary["reused_ids"], 16);
    // While it happens: what is in flight is bounded, so workers have seen most before the last rows are read.
    fs::write(folder.join("daily.csv"), daily(1_000)).unwrap();
    let job = "[job]\ntimeframes = [\"1d\"]\n[limits]\nin_flight_records = 1000\n[commit]\nfile_rows = 4\n[[source]]\nname = \"f\"\nkind = \"file\"\n\
               paths = [\"daily.csv\"]\ninstrument = \"x:A\"\nunits = { time = \"s\" }\n\
               columns = { time = \"ts\", price = \"price\", size = \"size\", id = [\"venue\", \"id\"] }\n";
    fs::write(folder.join("job.toml"), job).unwrap();
    let output = tickweave(folder, &["replay", "job.toml"]);
    assert!(output.err.contains("ids of scope `x` are used again: "), "{}", output.err);
}

#[test]
fn an_aggregated_id_that_begins_the_next_day_is_another_trade_and_a_hole_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let day = |name: &str, rows: &str| {
        fs::write(folder.join(format!("AAABTC-aggTrades-2021-{name}.csv")), rows).unwrap()
    };
    day(
        "02-28",
        "500001,0.00000238,2000.0,900061,900061,1614556667888,False,True\n\
                  500002,0.00000238,700.0,900063,900063,1614556738998,True,True\n\
                  500003,0.00000238,800.0,900069,900069,1614556777324,False,True\n",
    );
    day(
        "03-01",
        "500003,0.00000239,19000.0,900070,900070,1614556823276,False,True\n\
                  500004,0.00000239,6000.0,900071,900081,1614556860776,False,True\n",
    );
    day("03-02", "500007,0.00000239,5.0,900092,900092,1614643260776,False,True\n");
    let name = |day: &str| format!("AAABTC-aggTrades-2021-{day}.csv");
    // The first day once more, as an archive that overlaps.
    fs::create_dir(folder.join("again")).unwrap();
    fs::copy(folder.join(name("02-28")), folder.join("again").join(name("02-28"))).unwrap();
    let again = format!("again/{}", name("02-28"));
    let names = [name("02-28"), name("03-01"), name("03-02"), again];
    let mut args = vec!["replay"];
    args.extend(names.iter().map(String::as_str));
    args.extend([
        "--codec",
        "binance-aggtrades-csv",
        "--timeframes",
        "1h",
        "--json",
        "--out",
        "views",
    ]);
    let summary = tickweave(folder, &args).json();
    let n = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(["accepted", "conflicts", "duplicates", "dead"].map(n), [6, 0, 3, 0]);
    let view = |name: &str| fs::read_to_string(folder.join(format!("views/{name}.csv"))).unwrap();
    let candles = view("candles");
    let volumes = column(&candles, "volume");
    assert_eq!(volumes, ["3500", "25000", "5"]);
    assert_eq!(column(&candles, "trades"), ["3", "2", "1"]);
    let gaps = view("gaps");
    assert_eq!([column(&gaps, "first_id"), column(&gaps, "last_id")], [["500005"], ["500006"]]);
    assert_eq!(column(&view("trades"), "id")[2..4], ["500003", "500003"]);

    let forever = [&args[..args.len() - 2], &["--option", "x=1"]].concat();
    assert!(tickweave(folder, &forever).err.contains("options"), "no such option");
    let forever = [&args[..args.len() - 2], &["--id-period", "forever"]].concat();
    let summary = tickweave(folder, &forever).json();
    assert_eq!((&summary["accepted"], &summary["conflicts"]), (&5.into(), &1.into()));
}
