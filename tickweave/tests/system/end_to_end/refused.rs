//! Rows that are refused take no place in the catalog, wherever they come from.

use std::fmt::Write;
use std::fs;

use serde_json::json;

use super::binary::tickweave;
use super::http::get;
use super::posted::{CSV, JSON, NDJSON, now, rows, run, send};

const LIMITS: &str = "[limits]\ninstruments = 2\nportfolios = 1\nmodels = 1\n";

/// A row of each type whose field is wrong, or of an instrument that is not in `us:*`.
fn junk(n: usize, time: &str) -> [String; 5] {
    [
        format!(
            r#"{{"type":"trade","instrument":"us:J{n}","time":"{time}","price":"bad","quantity":1}}"#
        ),
        format!(r#"{{"type":"cancel","instrument":"us:J{n}","id":1,"time":"{}s"}}"#, now() + 3_600),
        format!(
            r#"{{"type":"fill","portfolio":"p{n}","instrument":"us:J{n}","id":1,"time":"bad","price":1,"quantity":1}}"#
        ),
        format!(r#"{{"type":"bust","portfolio":"p{n}","id":1,"time":"{}s"}}"#, now() + 3_600),
        format!(
            r#"{{"type":"fair","model":"m{n}","instrument":"us:J{n}","time":"bad","value":1}}"#
        ),
    ]
}

#[test]
fn posted_rows_that_are_refused_leave_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let (going, address) = run(folder.path(), LIMITS);
    let time = format!("{}s", now());
    let mut body = String::new();
    (0..20).flat_map(|n| junk(n, &time)).for_each(|row| writeln!(body, "{row}").unwrap());
    let answer_json = send(address, "", &[NDJSON], &body).json();
    assert_eq!(
        (&answer_json["accepted"], &answer_json["rejected"]),
        (&json!(0), &json!(100)),
        "{answer_json}"
    );
    assert_eq!(send(address, "?atomic=true", &[NDJSON], &body).status, 422);

    // A body that is refused as a whole leaves none either, also of its good rows.
    let trade = |name: &str| json!({"type": "trade", "instrument": name, "time": time, "price": 1, "quantity": 1});
    let bodies = [
        json!([trade("us:X"), trade("us:Y"), {"type": "trade"}]),
        json!([trade("us:X"), trade("us:Y"), trade("us:Z")]),
    ];
    for body in bodies {
        let refused = send(address, "?atomic=true", &[JSON], &body.to_string());
        assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("rows-refused")));
    }
    assert_eq!(get(address, "/v1/symbols").json()["symbols"], json!([]));

    // So there is room for good rows, and for no more than that.
    let good = json!([trade("us:A"), trade("us:B"), trade("us:A"), trade("us:C")]).to_string();
    let answer_json = send(address, "", &[JSON], &good).json();
    assert_eq!(
        (&answer_json["accepted"], &answer_json["rejected"]),
        (&json!(3), &json!(1)),
        "{answer_json}"
    );
    let full = "instrument `us:C` is one more than the 2 that `limits.instruments` allows (--max-instruments)";
    assert_eq!(answer_json["errors"][0]["detail"], full);
    let letters = rows(address, "dead_letters", &answer_json["completion_token"]);
    assert!(letters.iter().any(|letter| letter["detail"] == full), "{letters:?}");
    let symbols = get(address, "/v1/symbols").json();
    let names: Vec<_> =
        symbols["symbols"].as_array().unwrap().iter().map(|one| &one["symbol"]).collect();
    assert_eq!(names, ["us:A", "us:B"], "{symbols}");
    let fills = "portfolio,id,instrument,time,quantity,price\n\
                 p1,F-1,us:A,TIME,1,1\np2,F-2,us:A,TIME,1,1\n"
        .replace("TIME", &time);
    let answer_json = send(address, "?type=fill", &[CSV], &fills).json();
    assert_eq!(
        (&answer_json["accepted"], &answer_json["rejected"]),
        (&json!(1), &json!(1)),
        "{answer_json}"
    );
    assert_eq!(answer_json["errors"][0]["pointer"], "#/body/1/portfolio", "{answer_json}");

    going.signal("TERM");
    going.end();
}

/// Three good instruments, and room for two, after rows with bad prices, times ahead and wrong entries.
#[test]
fn rows_of_files_that_are_refused_leave_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut trades = "t,s,p,q\n".to_owned();
    for n in 0..50 {
        writeln!(trades, "1,A{n},bad,1\n99999,B{n},1,1").unwrap();
    }
    trades += "1,GOOD,1,1\n1,FINE,1,1\n1,MORE,1,1\n";
    fs::write(folder.join("trades.csv"), trades).unwrap();
    let entries: String = (0..50).flat_map(|n| junk(n, "1s")).map(|row| row + "\n").collect();
    fs::write(folder.join("entries.jsonl"), entries).unwrap();
    let job = r#"
[job]
not_after = "1970-01-01T00:01:00Z"
[[instrument]]
pattern = "us:*"
quote = "USD"
[[source]]
name = "f"
kind = "file"
paths = ["trades.csv"]
instrument = "x:{symbol}"
columns = { time = "t", symbol = "s", price = "p", size = "q" }
units = { time = "s" }
[[source]]
name = "e"
kind = "entries"
paths = ["entries.jsonl"]
"#;
    fs::write(folder.join("job.toml"), format!("{job}{LIMITS}")).unwrap();
    let args = ["replay", "job.toml", "--json", "--digest", "--record", "a.rec", "--out", "out"];
    let summary = tickweave(folder, &args).json();
    let n = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(["accepted", "dead"].map(n), [2, 351], "{summary:#}");
    let letters = fs::read_to_string(folder.join("out/dead_letters.csv")).unwrap();
    let full = "instrument `x:MORE` is one more than the 2 that `limits.instruments` allows (--max-instruments)";
    assert_eq!(letters.matches(full).count(), 1, "{letters}");
    assert_eq!(letters.matches("limits.").count(), 1, "{letters}");
    let replayed = tickweave(folder, &["replay", "a.rec", "--digest", "--json"]);
    super::assert_same("recorded", &summary, &replayed.json());
}

/// Of a new name no row is too late in its first commit: nobody has told of it before. So a name has its place with a
/// row that counts, also where an old topic is sent again, and what is too late of it later takes none.
#[test]
fn who_takes_a_place_has_a_row_that_counts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut trades = "t,s,p,q\n".to_owned();
    let mut add = |time: u32, name: &str| writeln!(trades, "{time},{name},1,1").unwrap();
    (0..20).for_each(|n| add(90_000 + n, "NOW"));
    for n in 0..5 {
        (0..3).for_each(|second| add(second, &format!("OLD{n}")));
    }
    ["A", "B", "C"].into_iter().for_each(|name| add(90_030, name));
    fs::write(folder.join("trades.csv"), trades).unwrap();
    let replay = |input: &str, workers: &str, more: &[&str]| {
        let views = "trades,too_late,dead_letters";
        let args = [
            "replay", input, "-w", workers, "--json", "--digest", "--out", "out", "--views", views,
        ];
        tickweave(folder, &[&args[..], more].concat()).json()
    };
    let source = "[job]\ntimeframes = [\"1m\"]\n[commit]\nfile_rows = 1\nfile_order = \"lines\"\n[limits]\ninstruments = 8\n\
                  [[source]]\nname = \"f\"\nkind = \"file\"\npaths = [\"trades.csv\"]\ninstrument = \"x:{symbol}\"\n\
                  units = { time = \"s\" }\ncolumns = { time = \"t\", symbol = \"s\", price = \"p\", size = \"q\" }\n";
    fs::write(folder.join("job.toml"), source).unwrap();
    let summary = replay("job.toml", "1", &["--record", "a.rec"]);
    let n = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(["accepted", "late", "dead"].map(n), [27, 10, 1], "{summary:#}");
    let text = |view: &str| fs::read_to_string(folder.join(format!("out/{view}.csv"))).unwrap();
    let (counted, late, letters) = (text("trades"), text("too_late"), text("dead_letters"));
    for old in (0..5).map(|n| format!("x:OLD{n}")) {
        assert_eq!([&counted, &late].map(|rows| rows.matches(&old).count()), [1, 2], "{old}");
    }
    assert!(letters.contains("instrument `x:C` is one more than the 8"), "{letters}");
    for (input, workers) in [("job.toml", "3"), ("a.rec", "1"), ("a.rec", "2")] {
        super::assert_same(input, &summary, &replay(input, workers, &[]));
    }
}
