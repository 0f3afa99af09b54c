//! The jobs of the list: each has the views that it says, and rows that two jobs both have are the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::jobs::{JOBS, JobKind};
use dataflows::publish::ViewDigest;
use dataflows::run::{RunOptions, replay_files};

use crate::end_to_end::binary::{Going, tickweave};
use crate::end_to_end::http::get;

/// Two providers of a venue with every kind of fault, of which the gaps, conflicts and late trades tell.
const SOURCES: &str = r#"
[job]
timeframes = ["1s", "10s"]
indicators = []
reject_after = "2s"
correction_horizon = "1m"

[outliers]
floor_bps = 1

[[source]]
name = "north"
kind = "simulated"
instrument = "demo:{symbol}"
symbols = 20
ticks_per_second = 500
ticks = 20_000
providers = 2
provider = 1
disorder = "1s"
faults = { late = 0.01, late_by = "10s", corrected = 0.01, cancelled = 0.01, lost = 0.02, conflicting = 0.01 }

[[source]]
name = "south"
kind = "simulated"
instrument = "demo:{symbol}"
symbols = 20
ticks_per_second = 500
ticks = 20_000
providers = 2
provider = 2
rank = 1
disorder = "1s"
faults = { late = 0.01, late_by = "10s", corrected = 0.01, cancelled = 0.01, lost = 0.02, conflicting = 0.01 }
"#;

type Views = BTreeMap<&'static str, (u64, ViewDigest)>;

/// The rows of the views of a job, and their digests.
fn replay(job: &JobKind, workers: usize) -> Views {
    let mut raw = RawConfig::parse(SOURCES, "jobs.toml").unwrap();
    raw.job.kind = job.name.to_owned();
    raw.job.workers = workers;
    let config = raw.check(Path::new(".")).unwrap();
    let options = RunOptions { digest: true, ..RunOptions::default() };
    let report = replay_files(config, &options, &Stop::default()).unwrap();
    let views = report.views.into_iter();
    views.map(|(name, rows, digest)| (name, (rows, digest.unwrap()))).collect()
}

#[test]
fn views_that_two_jobs_have_are_the_same() {
    let [candles, ticks] = ["candles", "ticks"].map(|name| JobKind::named(name).unwrap());
    let all = replay(candles, 1);
    for view in ["candles", "conflicts", "gaps", "outliers", "too_late", "trades"] {
        assert!(all[view].0 > 0, "{view} has no rows, so it shows nothing");
    }
    for workers in 1..=3 {
        let views = replay(ticks, workers);
        let recorded = ticks.views.views.iter().filter(|view| view.recorded);
        assert_eq!(views.len(), recorded.count());
        for (view, rows) in views {
            assert_eq!(rows, all[view], "{view} on {workers} workers");
        }
    }
}

#[test]
fn the_first_job_has_every_view() {
    let names = JOBS[0].views.names().collect::<Vec<_>>();
    assert_eq!(names, dataflows::view_list::VIEWS.iter().map(|v| v.name).collect::<Vec<_>>());
    for job in JOBS {
        assert!(job.views.names().all(|name| names.contains(&name)), "{}", job.name);
    }
}

#[test]
fn a_feed_handler_serves_its_views_and_says_who_has_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = "[job]\nkind = \"ticks\"\n[http]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(folder.join("job.toml"), config).unwrap();
    let mut job = Going::start(folder, &["run", "job.toml", "--json"]);
    let address = job.address();
    let views = get(address, "/v1/views").json();
    let views: Vec<&str> =
        views["views"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    let ticks = JobKind::named("ticks").unwrap();
    assert_eq!(views, ticks.views.names().collect::<Vec<_>>());
    assert_eq!(get(address, "/v1/views/trades").status, 200);
    for path in ["/v1/views/candles", "/v1/views/alerts"] {
        let problem = get(address, path);
        assert_eq!(problem.status, 404, "{path}");
        let detail = problem.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("but the job `candles` has"), "{detail}");
    }
    job.signal("TERM");
    job.end().json();

    let trades = "time,price,size\n2024-03-04T12:00:00Z,10,1\n2024-03-04T12:01:00Z,11,2\n";
    fs::write(folder.join("t.csv"), trades).unwrap();
    let source = "[[source]]\nname = \"a\"\nkind = \"file\"\npaths = [\"t.csv\"]\ninstrument = \"x:Y\"\n\
        columns = { time = \"time\", price = \"price\", size = \"size\" }\n";
    fs::write(folder.join("files.toml"), format!("{config}{source}")).unwrap();
    tickweave(folder, &["replay", "files.toml", "--out", "out", "--json"]).json();
    let written = |view: &str| folder.join(format!("out/{view}.csv")).exists();
    assert!(written("trades") && written("gaps") && !written("candles"));
}
