//! What the process tells about itself in numbers: one list of metrics, setters in the words of the
//! domain, and their text for a scraper.
//!
//! To add a metric: a line in [`METRICS`] through its constant, a field in `Families`, a setter.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use market::{CauseKind, Commit, RefusalReason, UnmatchedReason};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

/// A metric as documented: what `# HELP` says, what the documentation lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name without the unit. Samples of counters end in `_total`, those of infos in `_info`.
    pub name: &'static str,
    /// Its unit, which ends the name; counts have none.
    pub unit: Option<&'static str>,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub doc: &'static str,
}

const fn counts(
    name: &'static str,
    labels: &'static [&'static str],
    doc: &'static str,
) -> Described {
    Described { name, unit: None, labels, doc }
}

const fn measures(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    doc: &'static str,
) -> Described {
    Described { name, unit: Some(unit), labels, doc }
}

const SOURCE: &[&str] = &["source"];
const SOURCE_REASON: &[&str] = &["source", "reason"];

#[rustfmt::skip]
mod described {
    use super::*;

    pub(super) const RECORDS: Described = counts("tickweave_records", SOURCE, "Records read from sources, whatever became of them");
    pub(super) const ACCEPTED: Described = counts("tickweave_accepted", SOURCE, "Records that were accepted");
    pub(super) const CORRECTIONS: Described = counts("tickweave_corrections", SOURCE, "Corrections among the records that were accepted, copies too");
    pub(super) const CANCELS: Described = counts("tickweave_cancels", SOURCE, "Cancels among the records that were accepted, copies too");
    pub(super) const DUPLICATES: Described = counts("tickweave_duplicates", SOURCE, "Copies of trades that were there already");
    pub(super) const CONFLICTS: Described = counts("tickweave_conflicts", SOURCE, "Copies of trades that disagree with the one that counts");
    pub(super) const LATE: Described = counts("tickweave_late", SOURCE_REASON, "Trades that came too late to be accepted, by the bound that refused them");
    pub(super) const UNMATCHED: Described = counts("tickweave_unmatched", SOURCE_REASON, "Corrections and cancels whose trade was unknown when they came");
    pub(super) const OUTLIERS: Described = counts("tickweave_outliers", &["kind"], "Trades and corrections whose price is far away from recent prices");
    pub(super) const DEAD: Described = counts("tickweave_dead_letters", SOURCE_REASON, "Input that could not become a record");
    pub(super) const INPUT: Described = measures("tickweave_input", "bytes", SOURCE, "Input read from sources");
    pub(super) const LAG: Described = measures("tickweave_watermark_lag", "seconds", SOURCE, "How far the watermark is behind the system time; absent while unknown");
    pub(super) const TICK_TO_VIEW: Described = measures("tickweave_tick_to_view", "seconds", &[], "Live: from when the oldest row of a commit came to when views show the commit");
    pub(super) const NEWEST: Described = counts("tickweave_newest_commit", &[], "Number of the newest published commit; absent before the first");
    pub(super) const AGE: Described = measures("tickweave_newest_commit_age", "seconds", &[], "Time since the newest commit was published; absent before the first");
    pub(super) const RETAINED: Described = measures("tickweave_retained", "bytes", &["worker"], "Memory that state and views retain, as estimated");
    pub(super) const IN_FLIGHT: Described = counts("tickweave_in_flight_records", &[], "Records handed to the workers whose commit is not published yet");
    pub(super) const ROWS: Described = counts("tickweave_view_rows", &["view"], "Rows of a view: current ones if keyed, all ever appended if a log");
    pub(super) const PROCESS: Described = counts("tickweave_process", &["version"], "The running program");
}
use described::*;

/// Every metric.
pub const METRICS: &[Described] = &[
    RECORDS,
    ACCEPTED,
    CORRECTIONS,
    CANCELS,
    DUPLICATES,
    CONFLICTS,
    LATE,
    UNMATCHED,
    OUTLIERS,
    DEAD,
    INPUT,
    LAG,
    TICK_TO_VIEW,
    NEWEST,
    AGE,
    RETAINED,
    IN_FLIGHT,
    ROWS,
    PROCESS,
];

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All numbers of the process. Clones share them.
///
/// A `source` is its configured name; `""` where the source of a record is no longer known.
/// Setters cost a lookup and an allocation: they are for batches, not for single records.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

/// Sums over all sources since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records read, whatever became of them.
    pub records: u64,
    /// Records accepted.
    pub accepted: u64,
    /// Corrections among those.
    pub corrections: u64,
    /// Cancels among those.
    pub cancels: u64,
    /// Copies of trades that were there already.
    pub duplicates: u64,
    /// Copies that disagree with the one that counts.
    pub conflicts: u64,
    /// Trades refused as too late.
    pub late: u64,
    /// Corrections and cancels without a known trade.
    pub unmatched: u64,
    /// Trades and corrections whose price is far away from recent prices.
    pub outliers: u64,
    /// Input that did not become a record.
    pub dead: u64,
}

type Labels = Vec<(&'static str, String)>;
type Whole = Gauge<u64, AtomicU64>;
type Decimal = Gauge<f64, AtomicU64>;

/// A family of counters and their sum.
#[derive(Clone, Debug, Default)]
struct Counted {
    family: Family<Labels, Counter>,
    sum: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    families: Families,
    newest: Newest,
}

#[derive(Debug, Default)]
struct Families {
    records: Counted,
    accepted: Counted,
    corrections: Counted,
    cancels: Counted,
    duplicates: Counted,
    conflicts: Counted,
    late: Counted,
    unmatched: Counted,
    outliers: Counted,
    dead: Counted,
    input: Counted,
    lag: Family<Labels, Decimal>,
    tick_to_view: TickToView,
    retained: Family<Labels, Whole>,
    in_flight: Whole,
    rows: Family<Labels, Whole>,
}

/// How long commits took to be readable: all of them in buckets, the newest exactly.
#[derive(Clone, Debug)]
struct TickToView {
    histogram: Histogram,
    newest: Arc<Mutex<VecDeque<Duration>>>,
}

/// Of so many commits the exact times are kept.
pub const NEWEST_COMMITS: usize = 1_024;

impl Default for TickToView {
    fn default() -> TickToView {
        // 0.5 ms to 8 s.
        TickToView {
            histogram: Histogram::new(exponential_buckets(0.000_5, 2.0, 15)),
            newest: Arc::default(),
        }
    }
}

impl TickToView {
    fn observe(&self, took: Duration) {
        self.histogram.observe(took.as_secs_f64());
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() == NEWEST_COMMITS {
            newest.pop_front();
        }
        newest.push_back(took);
    }

    fn within(&self, fraction: f64) -> Option<Duration> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut newest = Vec::from(newest);
        newest.sort_unstable();
        let last = newest.len().checked_sub(1)?;
        let rank = (newest.len() as f64 * fraction).ceil() as usize;
        Some(newest[rank.saturating_sub(1).min(last)])
    }
}

/// The newest commit and when it was published.
#[derive(Clone, Debug, Default)]
struct Newest(Arc<RwLock<Option<(Commit, Instant)>>>);

impl Metrics {
    /// All numbers at zero or absent.
    pub fn new(version: &str) -> Metrics {
        let families = Families::default();
        let newest = Newest::default();
        let mut registry = Registry::default();
        for (described, counted) in [
            (RECORDS, &families.records),
            (ACCEPTED, &families.accepted),
            (CORRECTIONS, &families.corrections),
            (CANCELS, &families.cancels),
            (DUPLICATES, &families.duplicates),
            (CONFLICTS, &families.conflicts),
            (LATE, &families.late),
            (UNMATCHED, &families.unmatched),
            (OUTLIERS, &families.outliers),
            (DEAD, &families.dead),
            (INPUT, &families.input),
        ] {
            register(&mut registry, described, counted.family.clone());
        }
        register(&mut registry, LAG, families.lag.clone());
        register(&mut registry, TICK_TO_VIEW, families.tick_to_view.histogram.clone());
        register(&mut registry, RETAINED, families.retained.clone());
        register(&mut registry, IN_FLIGHT, families.in_flight.clone());
        register(&mut registry, ROWS, families.rows.clone());
        let process = Info::new(vec![("version", version.to_owned())]);
        register(&mut registry, PROCESS, process);
        registry.register_collector(Box::new(newest.clone()));
        Metrics(Arc::new(Shared { registry, families, newest }))
    }

    /// A source begins: its counters show from now on, at zero, so that their first step is seen.
    pub fn source(&self, source: &str) {
        let known = &self.0.families;
        for counted in [
            &known.records,
            &known.accepted,
            &known.corrections,
            &known.cancels,
            &known.duplicates,
            &known.conflicts,
            &known.input,
        ] {
            counted.add(of(source), 0);
        }
    }

    /// So many records were read from a source.
    pub fn records(&self, source: &str, n: u64) {
        self.0.families.records.add(of(source), n);
    }

    /// So many records were accepted.
    pub fn accepted(&self, source: &str, n: u64) {
        self.0.families.accepted.add(of(source), n);
    }

    /// So many corrections were accepted.
    pub fn corrections(&self, source: &str, n: u64) {
        self.accepted(source, n);
        self.0.families.corrections.add(of(source), n);
    }

    /// So many cancels were accepted.
    pub fn cancels(&self, source: &str, n: u64) {
        self.accepted(source, n);
        self.0.families.cancels.add(of(source), n);
    }

    /// So many copies of known trades came.
    pub fn duplicates(&self, source: &str, n: u64) {
        self.0.families.duplicates.add(of(source), n);
    }

    /// So many copies disagreed with the one that counts.
    pub fn conflicts(&self, source: &str, n: u64) {
        self.0.families.conflicts.add(of(source), n);
    }

    /// So many trades were older than the bound `reason` (such as `reject_after`) allows.
    pub fn late(&self, source: &str, reason: &'static str, n: u64) {
        self.0.families.late.add(with_reason(source, reason), n);
    }

    /// So many corrections or cancels named a trade that is not known.
    pub fn unmatched(&self, source: &str, reason: UnmatchedReason, n: u64) {
        let labels = with_reason(source, reason.name());
        self.0.families.unmatched.add(labels, n);
    }

    /// So many new trades or corrections have a price far away from recent ones.
    pub fn outliers(&self, kind: CauseKind, n: u64) {
        self.0.families.outliers.add(vec![("kind", kind.name().to_owned())], n);
    }

    /// So many pieces of input became dead letters.
    pub fn dead(&self, source: &str, reason: RefusalReason, n: u64) {
        let labels = with_reason(source, reason.name());
        self.0.families.dead.add(labels, n);
    }

    /// So many bytes were read from a source.
    pub fn bytes(&self, source: &str, n: u64) {
        self.0.families.input.add(of(source), n);
    }

    /// How many seconds a source's watermark is behind; absent from the answer while unknown (`None`
    /// or not a finite number).
    pub fn watermark_lag(&self, source: &str, seconds: Option<f64>) {
        let lag = &self.0.families.lag;
        match seconds.filter(|seconds| seconds.is_finite()) {
            Some(seconds) => drop(lag.get_or_create(&of(source)).set(seconds)),
            None => drop(lag.remove(&of(source))),
        }
    }

    /// A commit was published just now. Older ones than the newest are passed over.
    pub fn committed(&self, commit: Commit) {
        let mut newest = self.0.newest.0.write().unwrap_or_else(PoisonError::into_inner);
        if newest.is_none_or(|(known, _)| known < commit) {
            *newest = Some((commit, Instant::now()));
        }
    }

    /// A commit can be read so long after its oldest row came.
    pub fn tick_to_view(&self, took: Duration) {
        self.0.families.tick_to_view.observe(took);
    }

    /// Of the newest commits ([`NEWEST_COMMITS`] at most), this fraction took no longer; none before the
    /// first.
    pub fn tick_to_view_within(&self, fraction: f64) -> Option<Duration> {
        self.0.families.tick_to_view.within(fraction)
    }

    /// A worker retains so many bytes.
    pub fn retained(&self, worker: usize, bytes: u64) {
        let labels = vec![("worker", worker.to_string())];
        self.0.families.retained.get_or_create(&labels).set(bytes);
    }

    /// So many records are on their way through the workers.
    pub fn in_flight(&self, records: u64) {
        self.0.families.in_flight.set(records);
    }

    /// A view has so many rows.
    pub fn view_rows(&self, view: &str, rows: u64) {
        let labels = vec![("view", view.to_owned())];
        self.0.families.rows.get_or_create(&labels).set(rows);
    }

    /// The sums since the start. Each is exact; together they may be a batch apart.
    pub fn totals(&self) -> Totals {
        let of = &self.0.families;
        Totals {
            records: of.records.sum(),
            accepted: of.accepted.sum(),
            corrections: of.corrections.sum(),
            cancels: of.cancels.sum(),
            duplicates: of.duplicates.sum(),
            conflicts: of.conflicts.sum(),
            late: of.late.sum(),
            unmatched: of.unmatched.sum(),
            outliers: of.outliers.sum(),
            dead: of.dead.sum(),
        }
    }

    /// Everything in OpenMetrics text ([`CONTENT_TYPE`]), which ends with `# EOF`.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string fails only if a label cannot be written, and strings can.
        if text::encode(&mut out, &self.0.registry).is_err() {
            tracing::error!("metrics could not be written");
        }
        out
    }
}

impl Described {
    /// The name of the metric family: the name and its unit.
    pub fn full_name(&self) -> String {
        match self.unit {
            Some(unit) => format!("{}_{unit}", self.name),
            None => self.name.to_owned(),
        }
    }
}

impl Counted {
    fn add(&self, labels: Labels, n: u64) {
        self.family.get_or_create(&labels).inc_by(n);
        self.sum.fetch_add(n, Ordering::Relaxed);
    }

    fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

impl Collector for Newest {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let newest = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some((Commit(number), published)) = newest else {
            return Ok(());
        };
        let number = ConstGauge::new(number);
        let metric =
            encoder.encode_descriptor(NEWEST.name, &help(NEWEST), None, number.metric_type())?;
        number.encode(metric)?;
        let age = ConstGauge::new(published.elapsed().as_secs_f64());
        let unit = AGE.unit.map(|unit| Unit::Other(unit.to_owned()));
        let metric =
            encoder.encode_descriptor(AGE.name, &help(AGE), unit.as_ref(), age.metric_type())?;
        age.encode(metric)
    }
}

fn of(source: &str) -> Labels {
    vec![("source", source.to_owned())]
}

fn with_reason(source: &str, reason: &'static str) -> Labels {
    vec![("source", source.to_owned()), ("reason", reason.to_owned())]
}

fn register(registry: &mut Registry, of: Described, metric: impl Metric) {
    match of.unit {
        Some(unit) => {
            registry.register_with_unit(of.name, of.doc, Unit::Other(unit.to_owned()), metric)
        }
        None => registry.register(of.name, of.doc, metric),
    }
}

/// As the registry writes the help of its own.
fn help(of: Described) -> String {
    format!("{}.", of.doc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_on_the_list_and_every_one_listed_shows() {
        let metrics = Metrics::new("1.2.3");
        metrics.committed(Commit(7));
        metrics.committed(Commit(6));
        // What has no sample yet does not show.
        metrics.source("a");
        metrics.late("a", "reject_after", 0);
        metrics.unmatched("a", UnmatchedReason::Unknown, 0);
        metrics.outliers(CauseKind::Trade, 0);
        metrics.dead("a", RefusalReason::BadTime, 0);
        metrics.watermark_lag("a", Some(0.0));
        metrics.retained(0, 0);
        metrics.view_rows("candles", 0);
        let text = metrics.render();
        let mut shown: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        let mut listed: Vec<_> =
            METRICS.iter().map(|of| format!("{} {}.", of.full_name(), of.doc)).collect();
        shown.sort_unstable();
        listed.sort_unstable();
        assert_eq!(shown, listed);
        assert!(text.contains("\ntickweave_newest_commit 7\n"), "{text}");
        assert!(text.contains("\ntickweave_process_info{version=\"1.2.3\"} 1\n"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn numbers_in_the_words_of_the_domain() {
        let metrics = Metrics::new("0");
        metrics.records("binance", 9);
        metrics.accepted("binance", 3);
        let same = metrics.clone();
        same.accepted("file \"a\"", 2);
        metrics.dead("binance", RefusalReason::BadTime, 4);
        metrics.late("binance", "reject_after", 1);
        metrics.unmatched("", UnmatchedReason::Unknown, 1);
        metrics.outliers(CauseKind::Correction, 2);
        metrics.bytes("binance", 1_000);
        metrics.retained(1, 4_096);
        metrics.in_flight(12);
        metrics.view_rows("candles", 5);
        let text = metrics.render();
        for line in [
            "tickweave_accepted_total{source=\"binance\"} 3",
            "tickweave_accepted_total{source=\"file \\\"a\\\"\"} 2",
            "tickweave_dead_letters_total{source=\"binance\",reason=\"bad_time\"} 4",
            "tickweave_late_total{source=\"binance\",reason=\"reject_after\"} 1",
            "tickweave_outliers_total{kind=\"correction\"} 2",
            "tickweave_input_bytes_total{source=\"binance\"} 1000",
            "tickweave_retained_bytes{worker=\"1\"} 4096",
            "tickweave_in_flight_records 12",
            "tickweave_view_rows{view=\"candles\"} 5",
        ] {
            assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
        }
        let want = Totals {
            records: 9,
            accepted: 5,
            late: 1,
            unmatched: 1,
            outliers: 2,
            dead: 4,
            ..Totals::default()
        };
        assert_eq!(metrics.totals(), want);
    }

    #[test]
    fn the_time_from_tick_to_view_is_that_of_the_newest_commits() {
        let metrics = Metrics::new("0");
        assert_eq!(metrics.tick_to_view_within(0.99), None);
        metrics.tick_to_view(Duration::from_secs(9));
        assert_eq!(metrics.tick_to_view_within(0.99), Some(Duration::from_secs(9)));
        for ms in (1..=100).cycle().take(NEWEST_COMMITS) {
            metrics.tick_to_view(Duration::from_millis(ms));
        }
        assert_eq!(metrics.tick_to_view_within(0.0), Some(Duration::from_millis(1)));
        assert_eq!(metrics.tick_to_view_within(0.99), Some(Duration::from_millis(99)));
        assert_eq!(metrics.tick_to_view_within(1.0), Some(Duration::from_millis(100)));
        let text = metrics.render();
        assert!(text.contains("\ntickweave_tick_to_view_seconds_count 1025\n"), "{text}");
        assert!(
            text.contains("tickweave_tick_to_view_seconds_bucket{le=\"8.192\"} 1024"),
            "{text}"
        );
    }

    #[test]
    fn what_is_unknown_is_absent() {
        let metrics = Metrics::new("0");
        let sample = "tickweave_watermark_lag_seconds{";
        metrics.watermark_lag("a", Some(f64::NAN));
        assert!(!metrics.render().contains(sample));
        metrics.watermark_lag("a", Some(1.5));
        assert!(metrics.render().contains("tickweave_watermark_lag_seconds{source=\"a\"} 1.5\n"));
        metrics.watermark_lag("a", None);
        assert!(!metrics.render().contains(sample));
        assert!(!metrics.render().contains("tickweave_newest_commit"));
    }
}
