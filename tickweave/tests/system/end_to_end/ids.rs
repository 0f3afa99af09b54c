//! Ids that are not unique for ever.

use std::fmt::Write;
use std::fs;

use super::binary::tickweave;

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
