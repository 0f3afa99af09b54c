//! The memory of a running process: what its parts take stays below their bounds, and it goes on within its budget.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use dataflows::jobs::JOBS;
use rows::ViewKind;

use crate::end_to_end::binary::{Going, Ran, poll, tickweave};
use crate::end_to_end::http::get;
use crate::end_to_end::made::Made;
use crate::end_to_end::{assert_adds_up, assert_same};

/// The bounds of the first test, in bytes.
const RING: u64 = 200_000;
const HISTORY: u64 = 300_000;
const LOG: u64 = 50_000;
const TRADE_LOG: u64 = 400_000;
/// More than any commit or row of these tests adds to a log or a table.
const ONE_MORE: u64 = 100_000;

/// A numbered sample of `/metrics`, by name with its labels.
struct Sample(BTreeMap<String, f64>);

impl Sample {
    fn of(address: SocketAddr) -> Sample {
        let text = get(address, "/metrics").body;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| line.rsplit_once(' '));
        Sample(
            samples
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    fn number(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |value| *value as u64)
    }

    fn part(&self, part: &str) -> u64 {
        let name = format!("tickweave_retained_bytes{{part=\"{part}\"}}");
        assert!(self.0.contains_key(&name), "no {name}");
        self.number(&name)
    }

    fn sum_of_parts(&self) -> u64 {
        let parts = self.0.iter().filter(|(name, _)| name.starts_with("tickweave_retained_bytes{"));
        parts.map(|(_, bytes)| *bytes as u64).sum()
    }
}

/// The keyed views that the dispatcher writes.
const TABLES: u64 = 3;

/// How many views of a kind the job has.
fn views(kind: ViewKind) -> u64 {
    JOBS[0].views.views.iter().filter(|view| view.kind == kind).count() as u64
}

#[test]
fn every_part_stays_below_its_bound_and_the_parts_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[job]\ntimeframes = [\"1s\", \"5s\"]\n\
         reject_after = \"2s\"\ncorrection_horizon = \"3s\"\n\
         [commit]\nperiod = \"1ms\"\nround = \"5ms\"\n\
         [limits]\nring_bytes = {RING}\nhistory_bytes = {HISTORY}\nlog_bytes = {LOG}\ntrade_log_bytes = {TRADE_LOG}\n\
         [[source]]\nname = \"venue\"\nkind = \"simulated\"\ninstrument = \"sim:{{symbol}}\"\nseed = 1\n\
         symbols = 40\nticks_per_second = 4_000\ndisorder = \"500ms\"\n"
    );
    std::fs::write(folder.path().join("job.toml"), config).unwrap();
    let mut run = Going::start(folder.path(), &["run", "job.toml", "--json"]);
    let address = run.address();
    let rings = views(ViewKind::Keyed) - TABLES;
    let logs = views(ViewKind::Log) - 1;
    let is_full = |sample: &Sample| {
        sample.part("rings") > RING && sample.part("trade_log") + ONE_MORE > TRADE_LOG
    };
    let (mut samples, mut commits) = (0, 0);
    poll(
        || {
            let sample = Sample::of(address);
            let commit = sample.number("tickweave_newest_commit");
            if sample.number("tickweave_state_bytes") == 0 {
                return None; // no round has ended
            }
            assert_eq!(sample.sum_of_parts(), sample.number("tickweave_state_bytes"));
            assert_eq!(sample.number("tickweave_state_limit_bytes"), 8 << 30);
            assert!(sample.part("rings") <= rings * RING, "{}", sample.part("rings"));
            assert!(
                sample.part("tables") <= TABLES * (RING + ONE_MORE),
                "{}",
                sample.part("tables")
            );
            assert!(sample.part("logs") <= logs * (LOG + ONE_MORE), "{}", sample.part("logs"));
            assert!(
                sample.part("trade_log") <= TRADE_LOG + ONE_MORE,
                "{}",
                sample.part("trade_log")
            );
            // And what comes while it is compacted.
            assert!(sample.part("history") <= 3 * HISTORY, "{}", sample.part("history"));
            samples += u32::from(is_full(&sample) && commit > commits);
            commits = commit;
            (samples >= 20 && commit > 3_000).then_some(())
        },
        || get(address, "/metrics").body,
    );
    let sample = Sample::of(address);
    if cfg!(target_os = "linux") {
        let resident = sample.number("process_resident_memory_bytes");
        assert!(resident > sample.sum_of_parts(), "{resident} {}", sample.sum_of_parts());
        for name in ["process_cpu_seconds_total", "process_open_fds", "process_threads"] {
            assert!(sample.0[name] > 0.0, "{name}");
        }
        assert!(sample.number("process_virtual_memory_bytes") > resident);
    }
    run.signal("TERM");
    assert_adds_up(&run.end().json());
}

/// A run of files that was stopped when it had read all of them, and its last sample.
fn run_of_files(folder: &Path, rows: u64) -> (Sample, Ran) {
    let mut run =
        Going::start(folder, &["run", "job.toml", "--json", "--digest", "--record", "live.rec"]);
    let address = run.address();
    let read = |sample: &Sample| {
        let records =
            sample.0.iter().filter(|(name, _)| name.starts_with("tickweave_records_total{"));
        let records: u64 = records.map(|(_, rows)| *rows as u64).sum();
        records == rows && sample.number("tickweave_in_flight_records") == 0
    };
    let last = || Some(Sample::of(address)).filter(read);
    let sample = poll(last, || get(address, "/metrics").body);
    run.signal("TERM");
    (sample, run.end())
}

#[test]
fn a_run_near_its_budget_keeps_fewer_changes_and_gives_the_same() {
    const SMALL: &str =
        "[limits]\nin_flight_records = 500\n[commit]\nrecords = 100\nround = \"5ms\"";
    let made = Made::new(47, 6_000, 600_000);
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    made.write(folders[0].path(), None, SMALL);
    let (whole, _) = run_of_files(folders[0].path(), made.rows());
    let shrinks = whole.part("rings") + whole.part("history");
    let input = whole.part("input");
    assert!(shrinks > 2_000_000, "{shrinks}");

    // Room for everything else, for what is on its way and for half of what can shrink.
    let limit = whole.sum_of_parts() - input - shrinks / 2;
    let budget = SMALL.replace("[limits]", &format!("[limits]\nstate_bytes = {limit}"));
    made.write(folders[1].path(), None, &budget);
    let (tight, got) = run_of_files(folders[1].path(), made.rows());
    assert!(tight.sum_of_parts() - tight.part("input") <= limit, "{limit}");
    let left = tight.part("rings") + tight.part("history");
    assert!(left > 0 && left < shrinks * 3 / 4, "{left} of {shrinks}");
    assert_adds_up(&got.json());
    assert!(!got.err.contains("sources pause"), "{}", got.err);
    let args = ["replay", "live.rec", "-w", "2", "--json", "--digest"];
    let replayed = tickweave(folders[1].path(), &args);
    assert_same("a replay", &got.json(), &replayed.json());
}
