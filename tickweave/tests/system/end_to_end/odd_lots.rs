//! Bars that have a volume and no prices.

use std::fs;

use super::binary::tickweave;

#[test]
fn a_rule_of_volume_sees_a_bar_without_prices_and_a_breakout_looks_past_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = [
        "trade,x:A,1,2026-01-05T10:00:00Z,10,5,",
        "trade,x:A,2,2026-01-05T10:00:01Z,10,1,volume",
        "trade,x:A,3,2026-01-05T10:00:02Z,11,5,",
    ];
    let csv = format!("type,instrument,id,time,price,quantity,updates\n{}\n", rows.join("\n"));
    fs::write(folder.join("t.csv"), csv).unwrap();
    let job = r#"
[job]
timeframes = ["1s"]
[[rule]]
name = "thin"
threshold = { series = "volume", below = 3.0 }
[[rule]]
name = "out"
breakout = { bars = 1, direction = "above" }
[[source]]
name = "f"
kind = "entries"
paths = ["t.csv"]
"#;
    fs::write(folder.join("job.toml"), job).unwrap();
    tickweave(folder, &["replay", "job.toml", "--out", "views"]);
    let alerts = fs::read_to_string(folder.join("views/alerts.csv")).unwrap();
    let mut lines: Vec<&str> = alerts.lines().skip(1).collect();
    lines.sort_unstable();
    let [thin, out] = lines[..] else { panic!("{alerts}") };
    assert!(thin.contains("10:00:01Z") && thin.contains("thin"), "{alerts}");
    assert!(out.contains("10:00:02Z") && out.contains("out"), "{alerts}");
}
