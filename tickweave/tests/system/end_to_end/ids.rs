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
    let args = "replay t.csv --order lines --disorder 0s --instrument x:A --time ts --time-unit s --price price --size price \
                --kind kind --timeframes 1m --json --out views";
    let replay = |more: &[&str]| {
        let args: Vec<&str> = args.split_whitespace().chain(more.iter().copied()).collect();
        tickweave(folder, &args).json();
        let view =
            |name: &str| fs::read_to_string(folder.join(format!("views/{name}.csv"))).unwrap();
        let ids = column(&view("trades"), "id").into_iter().filter(|id| !id.is_empty()).collect();
        (ids, view)
    };
    let (ids, view): (Vec<String>, _) = replay(&["--id", "id", "--record", "run.rec"]);
    assert_eq!(ids[..4], [uuid, "007", "1e5", "17"]);
    assert!(ids[4].starts_with("a|b, \u{FFFD}…#") && ids[6] == "18", "{ids:?}");
    assert!(ids[5].starts_with("xxxx") && ids[5].len() <= 96, "{ids:?}");
    assert_eq!(column(&view("conflicts"), "id"), [uuid]);
    assert_eq!(column(&view("revisions"), "cause_id"), [uuid]);
    assert_eq!(column(&view("candles"), "cause_id"), [uuid, ""]);
    let raw = view("trades");
    assert!(
        raw.contains(",\"007\",") && raw.contains(",\"1e5\",") && raw.contains(",17,"),
        "{raw}"
    );

    // A recording holds the texts.
    let before: Vec<String> = ["trades", "conflicts", "candles"].map(&view).to_vec();
    fs::remove_dir_all(folder.join("views")).unwrap();
    tickweave(folder, &["replay", "run.rec", "--json", "--out", "views", "-w", "3"]).json();
    assert_eq!(["trades", "conflicts", "candles"].map(&view).to_vec(), before);

    fs::remove_dir_all(folder.join("views")).unwrap();
    let (ids, _) = replay(&["--id", "venue,id"]);
    assert_eq!(ids[..4], [format!("N|{uuid}"), "N|007".into(), "N|1e5".into(), "N|17".into()]);
    fs::remove_dir_all(folder.join("views")).unwrap();
    let (ids, _) = replay(&["--id", "id", "--id-period", "session"]);
    assert_eq!(ids[3], "1970-01-01T00:00:00Z|17");
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
