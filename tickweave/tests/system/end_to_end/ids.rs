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

/// An exchange gives both sides of a self-trade one id.
#[test]
fn both_sides_of_a_self_trade_count_where_ids_are_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let csv = "type,portfolio,id,instrument,time,side,quantity,price
fill,q,195673,x:OPT,2022-10-24T09:47:05Z,sell,3,0.0488
fill,q,195673,x:OPT,2022-10-24T09:47:05Z,buy,3,0.0488
fill,q,195674,x:OPT,2022-10-24T09:47:05Z,buy,1,0.0488
fill,q,195674,x:OPT,2022-10-24T09:47:05Z,buy,1,0.0488
fill,q,195675,x:OPT,2022-10-24T09:47:06Z,sell,9,0.0488
";
    let replay = |key: &str, bust: &str| {
        fs::write(folder.join("fills.csv"), format!("{csv}{bust}")).unwrap();
        let job = format!(
            "[job]\ntimeframes = [\"1m\"]\n[[instrument]]\npattern = \"*\"\nquote = \"USD\"\n\
             [[source]]\nname = \"desk\"\nkind = \"entries\"\npaths = [\"fills.csv\"]\n{key}\n"
        );
        fs::write(folder.join("job.toml"), job).unwrap();
        let args = ["replay", "job.toml", "--json", "--out", "views", "--force"];
        let summary = tickweave(folder, &args).json();
        let positions = fs::read_to_string(folder.join("views/positions.csv")).unwrap();
        let quantity = positions.lines().nth(1).and_then(|row| row.split(',').nth(2)).unwrap();
        (quantity.to_owned(), summary["dead"].as_u64().unwrap())
    };
    let sold = "bust,q,195675,x:OPT,,sell,,\n".replace("x:OPT", "");
    let bought = sold.replace("sell", "buy");
    let either = sold.replace("sell", "");
    assert_eq!(replay("ids_by_side = true", &sold), ("1".to_owned(), 0));
    assert_eq!(replay("ids_by_side = true", &bought), ("-8".to_owned(), 0), "another fill");
    assert_eq!(replay("ids_by_side = true", &either), ("-8".to_owned(), 1));
    assert_eq!(replay("", &either), ("-2".to_owned(), 0), "the second side is a conflict");
    assert_eq!(replay("", &sold), ("-11".to_owned(), 1), "a side says nothing there");
}
