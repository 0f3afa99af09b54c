//! What views were: answers as of the past are what the views said at the commit that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dataflows::run::RunOptions;
use market::Commit;
use operators::NoStates;

use super::binary::{Going, poll};
use super::http::get;
use super::made::{Made, symbol};
use super::restored::replay;
use super::views_in;

/// A run of some seconds is recorded and asked for its past; then the recording is replayed up to each of
/// the commits that were named.
#[test]
fn the_past_is_what_was_said_then() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(7, 6_000, 1_200_000);
    made.write(folder, Some("{ speed = 300.0 }"), "");
    let mut run = Going::start(folder, &["run", "job.toml", "-w", "2", "--record", "live.rec"]);
    let address = run.address();
    let all = format!("records_total{{source=\"b\"}} {}", made.b.len());
    poll(|| get(address, "/metrics").body.contains(&all).then_some(()), || all.clone());

    let ask = |view: &str, filter: &str, as_of: &str| {
        get(address, &format!("/v1/views/{view}?limit=10000&format=csv&as_of={as_of}{filter}"))
    };
    let newest = get(address, "/v1/views").commit().unwrap();
    let of_one = format!("&symbol={}&timeframe=1s", symbol(3));
    let mut past: BTreeMap<u64, [BTreeSet<String>; 2]> = BTreeMap::new();
    for twentieth in 1..=20 {
        let asked = newest * twentieth / 20;
        let answer = ask("candles", &of_one, &format!("commit:{asked}"));
        if answer.status == 410 {
            assert!(past.is_empty(), "{answer:?}");
            assert_eq!(answer.json()["code"], "history-compacted");
            continue;
        }
        let named = answer.commit().unwrap();
        assert!(named <= asked, "{named} was later than {asked}");
        let alerts = ask("alerts", &of_one, &format!("commit:{named}"));
        assert_eq!(alerts.commit(), Some(named));
        // The time that it names leads to the same commit.
        let at = &answer.headers["x-frontier"];
        assert_eq!(ask("candles", &of_one, at).body, answer.body);
        past.insert(named, [rows(&answer.body), rows(&alerts.body)]);
    }
    run.signal("TERM");
    run.end();

    assert!(past.len() >= 3, "{:?}", past.keys());
    let different: BTreeSet<_> = past.values().map(|[candles, _]| candles.len()).collect();
    assert!(different.len() >= 3, "it has not changed: {different:?}");
    for (commit, [candles, alerts]) in past {
        let out = folder.join("out");
        let until = Some(Commit(commit));
        let options = RunOptions { until, out: Some(out.clone()), ..RunOptions::default() };
        replay(&folder.join("live.rec"), 1, Arc::new(NoStates), options);
        let views = views_in(&out);
        let own = |line: &String| line.starts_with(&format!("sim:{},1s,", symbol(3)));
        let closed = |line: &String| !line.contains(",open,");
        let found_before: BTreeSet<_> =
            rows(&views["candles.csv"]).into_iter().filter(own).collect();
        assert_eq!(
            candles,
            found_before.into_iter().filter(closed).collect(),
            "at commit {commit}"
        );
        let found_before = rows(&views["alerts.csv"]).into_iter().filter(own).collect();
        assert_eq!(alerts, found_before, "alerts at commit {commit}");
    }
}

#[test]
fn views_without_a_history_say_so() {
    let folder = tempfile::tempdir().unwrap();
    Made::new(8, 100, 1_000).write(folder.path(), Some("{ speed = 100.0 }"), "");
    let mut run = Going::start(folder.path(), &["run", "job.toml"]);
    let address = run.address();
    let problem = get(address, "/v1/views/indicators?as_of=2026-01-01T00:00:00Z");
    assert_eq!(problem.status, 400, "{problem:?}");
    assert!(problem.body.contains("it keeps no history"), "{problem:?}");
    let problem = get(address, "/v1/views/candles?as_of=yesterday");
    assert_eq!(problem.json()["errors"][0]["pointer"], "#/query/as_of");
    let first = || get(address, "/v1/views/candles?as_of=commit:0");
    // Before the first commit it is in the future.
    let problem = poll(|| Some(first()).filter(|it| it.status != 425), || "a commit".to_owned());
    assert!(problem.status == 410 || problem.commit() == Some(0), "{problem:?}");
    run.signal("TERM");
    run.end();
}

fn rows(csv: &str) -> BTreeSet<String> {
    csv.lines().skip(1).map(|line| line.trim_end().to_owned()).collect()
}
