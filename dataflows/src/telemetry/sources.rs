//! Outcomes of the input of each source: counters with their sums, and the lag of its watermark.

use market::{RejectionReason, UnmatchedReason};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::list::{
    ACCEPTED, CANCELS, CONFLICTS, CORRECTIONS, DEAD, DUPLICATES, INPUT, LAG, LATE, RECORDS,
    UNMATCHED,
};
use super::parts::{Counted, Decimal, Labels, register};

/// The metrics of all sources.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) records: Counted,
    pub(super) accepted: Counted,
    pub(super) corrections: Counted,
    pub(super) cancels: Counted,
    pub(super) duplicates: Counted,
    pub(super) conflicts: Counted,
    pub(super) late: Counted,
    pub(super) unmatched: Counted,
    pub(super) dead: Counted,
    input: Counted,
    lag: Family<Labels, Decimal>,
}

impl Sources {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (described, counted) in [
            (RECORDS, &self.records),
            (ACCEPTED, &self.accepted),
            (CORRECTIONS, &self.corrections),
            (CANCELS, &self.cancels),
            (DUPLICATES, &self.duplicates),
            (CONFLICTS, &self.conflicts),
            (LATE, &self.late),
            (UNMATCHED, &self.unmatched),
            (DEAD, &self.dead),
            (INPUT, &self.input),
        ] {
            register(registry, described, counted.family());
        }
        register(registry, LAG, self.lag.clone());
    }
}

/// Setters of the outcomes of input. A `source` is its configured name; `""` if the source of a record is not known.
impl Metrics {
    /// A source begins: its counters show from now on, at zero, so that their first step is seen.
    pub fn source(&self, source: &str) {
        let known = &self.0.sources;
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
        self.0.sources.records.add(of(source), n);
    }

    /// So many records were accepted.
    pub fn accepted(&self, source: &str, n: u64) {
        self.0.sources.accepted.add(of(source), n);
    }

    /// So many corrections were accepted.
    pub fn corrections(&self, source: &str, n: u64) {
        self.accepted(source, n);
        self.0.sources.corrections.add(of(source), n);
    }

    /// So many cancels were accepted.
    pub fn cancels(&self, source: &str, n: u64) {
        self.accepted(source, n);
        self.0.sources.cancels.add(of(source), n);
    }

    /// So many copies of known trades came.
    pub fn duplicates(&self, source: &str, n: u64) {
        self.0.sources.duplicates.add(of(source), n);
    }

    /// So many copies disagreed with the one that counts.
    pub fn conflicts(&self, source: &str, n: u64) {
        self.0.sources.conflicts.add(of(source), n);
    }

    /// So many trades were older than the bound `reason` (such as `reject_after`) allows.
    pub fn late(&self, source: &str, reason: &'static str, n: u64) {
        self.0.sources.late.add(with_reason(source, reason), n);
    }

    /// So many corrections or cancels named a trade that is not known.
    pub fn unmatched(&self, source: &str, reason: UnmatchedReason, n: u64) {
        let labels = with_reason(source, reason.name());
        self.0.sources.unmatched.add(labels, n);
    }

    /// So many pieces of input became dead letters.
    pub fn dead(&self, source: &str, reason: RejectionReason, n: u64) {
        let labels = with_reason(source, reason.name());
        self.0.sources.dead.add(labels, n);
    }

    /// How many pieces of input became dead letters for this reason, of all sources.
    pub fn dead_of(&self, reason: RejectionReason) -> u64 {
        self.0.sources.dead.of(&("reason", reason.name().to_owned()))
    }

    /// The same of one source.
    pub fn dead_of_source(&self, source: &str, reason: RejectionReason) -> u64 {
        self.0.sources.dead.at(&with_reason(source, reason.name()))
    }

    /// How many trades of a source came too late.
    pub fn late_of(&self, source: &str) -> u64 {
        self.0.sources.late.of(&("source", source.to_owned()))
    }

    /// How many copies of a source disagreed with the one that counts.
    pub fn conflicts_of(&self, source: &str) -> u64 {
        self.0.sources.conflicts.of(&("source", source.to_owned()))
    }

    /// The rows that were read from a source since the start, and how many of them were refused or too late.
    pub fn refused_of(&self, source: &str) -> (u64, u64) {
        let known = &self.0.sources;
        let of_source = |counted: &Counted| counted.of(&("source", source.to_owned()));
        (of_source(&known.records), of_source(&known.dead) + of_source(&known.late))
    }

    /// So many bytes were read from a source.
    pub fn bytes(&self, source: &str, n: u64) {
        self.0.sources.input.add(of(source), n);
    }

    /// How many seconds a source's watermark is behind; absent from the answer while unknown (`None`
    /// or not a finite number).
    pub fn watermark_lag(&self, source: &str, seconds: Option<f64>) {
        let lag = &self.0.sources.lag;
        match seconds.filter(|seconds| seconds.is_finite()) {
            Some(seconds) => drop(lag.get_or_create(&of(source)).set(seconds)),
            None => drop(lag.remove(&of(source))),
        }
    }
}

fn of(source: &str) -> Labels {
    vec![("source", source.to_owned())]
}

fn with_reason(source: &str, reason: &'static str) -> Labels {
    vec![("source", source.to_owned()), ("reason", reason.to_owned())]
}
