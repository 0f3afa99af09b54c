//! Metrics of the process: one list of metrics, setters in terms of the domain, and their text for a scraper.
//!
//! Reading order: [`METRICS`] (`list`) → [`Metrics`] (below) → its parts, each with its setters: `sources` (outcomes of
//! the input), `outliers`, `reused` (ids), `alerts`, `latency` (from tick to view), `newest` (commit and age), `held` (records in
//! flight, rejected reads), `copies` (of the state), `memory` (retained, part by part), `process` (as the system counts), `links` (checks,
//! connections, sinks) → `parts`, on which they are built.
//!
//! To add a metric: a line in [`METRICS`] through its constant; a field, its registration and a setter in the part that
//! it belongs to.

mod alerts;
mod copies;
mod held;
mod latency;
mod links;
mod list;
mod memory;
mod newest;
mod outliers;
mod parts;
mod process;
mod reused;
mod sources;

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::alerts::Alerts;
use self::copies::StateCopies;
use self::held::Held;
use self::latency::TickToView;
use self::links::Links;
use self::list::PROCESS;
use self::memory::Memory;
use self::newest::Newest;
use self::outliers::Outliers;
use self::parts::register;
use self::process::Process;
use self::reused::Reused;
use self::sources::Sources;

pub use self::latency::NEWEST_COMMITS;
pub use self::links::{Connection, Delivered};
pub use self::list::{Described, METRICS};
pub use self::reused::ReusedIds;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of the process. Clones share them.
///
/// Setters cost a lookup and an allocation, so they are for batches and not for single records.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

/// Sums over all sources and rules since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records read, accepted or not.
    pub records: u64,
    /// Records accepted.
    pub accepted: u64,
    /// Corrections among those.
    pub corrections: u64,
    /// Cancels among those.
    pub cancels: u64,
    /// Copies of known trades.
    pub duplicates: u64,
    /// Copies that disagree with the one that counts.
    pub conflicts: u64,
    /// Trades rejected as too late.
    pub late: u64,
    /// Corrections and cancels without a known trade.
    pub unmatched: u64,
    /// Trades and corrections whose price is far away from recent prices.
    pub outliers: u64,
    /// Input that did not become a record.
    pub dead: u64,
    /// Alerts raised, each as often as it was.
    pub alerts_raised: u64,
    /// Alerts withdrawn, each as often as it was.
    pub alerts_withdrawn: u64,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    sources: Sources,
    outliers: Outliers,
    alerts: Alerts,
    tick_to_view: TickToView,
    newest: Newest,
    held: Held,
    memory: Memory,
    copies: StateCopies,
    links: Links,
    reused: Reused,
}

impl Totals {
    /// What came after `before`, which is of the same metrics.
    #[must_use]
    pub fn since(&self, before: &Totals) -> Totals {
        Totals {
            records: self.records - before.records,
            accepted: self.accepted - before.accepted,
            corrections: self.corrections - before.corrections,
            cancels: self.cancels - before.cancels,
            duplicates: self.duplicates - before.duplicates,
            conflicts: self.conflicts - before.conflicts,
            late: self.late - before.late,
            unmatched: self.unmatched - before.unmatched,
            outliers: self.outliers - before.outliers,
            dead: self.dead - before.dead,
            alerts_raised: self.alerts_raised - before.alerts_raised,
            alerts_withdrawn: self.alerts_withdrawn - before.alerts_withdrawn,
        }
    }
}

impl Metrics {
    /// All metrics at zero or absent.
    pub fn new(version: &str) -> Metrics {
        let sources = Sources::default();
        let outliers = Outliers::default();
        let alerts = Alerts::default();
        let tick_to_view = TickToView::default();
        let newest = Newest::default();
        let held = Held::default();
        let memory = Memory::default();
        let copies = StateCopies::default();
        let links = Links::default();
        let mut registry = Registry::default();
        sources.register(&mut registry);
        outliers.register(&mut registry);
        alerts.register(&mut registry);
        tick_to_view.register(&mut registry);
        held.register(&mut registry);
        links.register(&mut registry);
        let process = Info::new(vec![("version", version.to_owned())]);
        register(&mut registry, PROCESS, process);
        registry.register_collector(Box::new(newest.clone()));
        registry.register_collector(Box::new(memory.clone()));
        registry.register_collector(Box::new(copies.clone()));
        registry.register_collector(Box::new(Process));
        Metrics(Arc::new(Shared {
            registry,
            sources,
            outliers,
            alerts,
            tick_to_view,
            newest,
            held,
            memory,
            copies,
            links,
            reused: Reused::default(),
        }))
    }

    /// The sums since the start. Each is exact; together they may be a batch apart.
    pub fn totals(&self) -> Totals {
        let (of, alerts) = (&self.0.sources, &self.0.alerts);
        Totals {
            records: of.records.sum(),
            accepted: of.accepted.sum(),
            corrections: of.corrections.sum(),
            cancels: of.cancels.sum(),
            duplicates: of.duplicates.sum(),
            conflicts: of.conflicts.sum(),
            late: of.late.sum(),
            unmatched: of.unmatched.sum(),
            outliers: self.0.outliers.counted.sum(),
            dead: of.dead.sum(),
            alerts_raised: alerts.raised.sum(),
            alerts_withdrawn: alerts.withdrawn.sum(),
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

impl node_api::MetricsText for Metrics {
    fn set_view_rows(&self, view: &'static str, rows: u64) {
        self.view_rows(view, rows);
    }

    fn add_subscriptions(&self, view: &'static str, difference: i64) {
        self.subscriptions(view, difference);
    }

    fn count_refused(&self, reason: &'static str) {
        self.client_refused(reason);
    }

    fn content_type(&self) -> &'static str {
        CONTENT_TYPE
    }

    fn render(&self) -> String {
        Metrics::render(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{CauseKind, Commit, RejectionReason, UnmatchedReason};

    #[test]
    fn every_metric_is_on_the_list_and_every_one_listed_shows() {
        let metrics = Metrics::new("1.2.3");
        metrics.committed(Commit(7));
        metrics.committed(Commit(6));
        // Metrics without a sample are absent.
        metrics.source("a");
        metrics.late("a", "reject_after", 0);
        metrics.unmatched("a", UnmatchedReason::Unknown, 0);
        metrics.outliers(CauseKind::Trade, 0);
        metrics.dead("a", RejectionReason::BadTime, 0);
        metrics.watermark_lag("a", Some(0.0));
        metrics.rule("up");
        metrics.retained(vec![("ledger", 0)], 1);
        metrics.view_rows("candles", 0);
        metrics.subscriptions("candles", 0);
        metrics.health("sources", 0);
        metrics.names(market::Catalog::new(Vec::new(), 1).name_counts()[0]);
        let connection = Connection { rows_behind: Some(0), ..Connection::default() };
        metrics.connection("a", connection);
        metrics.partition_connection("a", "0", connection);
        metrics.delivery("bars", "candles", Delivered::default());
        metrics.read_refused("full");
        metrics.client_refused("unauthorized");
        metrics.state_copied(0);
        let text = metrics.render();
        let mut shown: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        // Those of the process are known where there is `/proc`, and a bound on descriptors need not be.
        let listed = METRICS.iter().filter(|of| {
            !of.name.starts_with("process_")
                || text.contains(&format!("# HELP {} ", of.full_name()))
        });
        let mut listed: Vec<_> =
            listed.map(|of| format!("{} {}.", of.full_name(), of.doc)).collect();
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
        metrics.dead("binance", RejectionReason::BadTime, 4);
        metrics.late("binance", "reject_after", 1);
        metrics.unmatched("", UnmatchedReason::Unknown, 1);
        metrics.outliers(CauseKind::Correction, 2);
        metrics.bytes("binance", 1_000);
        metrics.rule("up");
        metrics.alerts_raised("up", 3);
        metrics.alerts_withdrawn("down", 2);
        metrics.retained(vec![("ledger", 4_000), ("rings", 96)], 8_192);
        metrics.in_flight(12);
        metrics.view_rows("candles", 5);
        metrics.missing(0, 7);
        metrics.missing(7, 3);
        let text = metrics.render();
        for line in [
            "tickweave_accepted_total{source=\"binance\"} 3",
            "tickweave_accepted_total{source=\"file \\\"a\\\"\"} 2",
            "tickweave_dead_letters_total{source=\"binance\",reason=\"bad_time\"} 4",
            "tickweave_late_total{source=\"binance\",reason=\"reject_after\"} 1",
            "tickweave_outliers_total{kind=\"correction\"} 2",
            "tickweave_input_bytes_total{source=\"binance\"} 1000",
            "tickweave_alerts_raised_total{rule=\"up\"} 3",
            "tickweave_alerts_withdrawn_total{rule=\"up\"} 0",
            "tickweave_alerts_withdrawn_total{rule=\"down\"} 2",
            "tickweave_retained_bytes{part=\"ledger\"} 4000",
            "tickweave_retained_bytes{part=\"rings\"} 96",
            "tickweave_state_bytes 4096",
            "tickweave_state_limit_bytes 8192",
            "tickweave_in_flight_records 12",
            "tickweave_view_rows{view=\"candles\"} 5",
            "tickweave_missing_trades 3",
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
            alerts_raised: 3,
            alerts_withdrawn: 2,
            ..Totals::default()
        };
        assert_eq!(metrics.totals(), want);
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
