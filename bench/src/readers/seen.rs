//! What is seen of a job with its clients, and without them.

use std::thread;
use std::time::{Duration, Instant};

use tickweave::node::Node;

use crate::Figures;
use crate::clocks::quantile;
use crate::live::{Probe, Schedule};

/// How long commits took is looked at this often: about as long as that of each is kept.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What was seen in all times of a kind.
#[derive(Default)]
pub(super) struct Seen {
    /// From when to when, since the load began.
    times: Vec<(Duration, Duration)>,
    ticks: u64,
    late: u64,
    pub(super) seconds: f64,
    /// The p99 from a tick to its views, of the newest thousand commits, in ms.
    pub(super) views: Vec<f64>,
    /// How long from when a probe was due until a subscriber had it, and how long answers took, in ms.
    pub(super) probes: Vec<f64>,
    live: Vec<f64>,
    point: Vec<f64>,
    /// Point reads that were answered with something else than rows.
    refused: u64,
}

/// Two answers, and when they were asked for.
pub(super) struct Polled {
    pub(super) at: Duration,
    pub(super) live_ms: f64,
    pub(super) point_ms: f64,
    pub(super) is_refused: bool,
}

impl Seen {
    /// Looks for so long.
    pub(super) fn measure(&mut self, node: &Node, schedule: &Schedule, length: Duration) {
        let (begun, from) = (Instant::now(), schedule.elapsed());
        let before = node.metrics().totals();
        while begun.elapsed() < length {
            thread::sleep(LOOK_INTERVAL.min(length.saturating_sub(begun.elapsed())));
            let p99 = node.metrics().tick_to_view_within(0.99);
            self.views.extend(p99.map(|p99| p99.as_secs_f64() * 1e3));
        }
        let after = node.metrics().totals();
        self.seconds += begun.elapsed().as_secs_f64();
        self.ticks += after.records - before.records;
        self.late += after.late - before.late;
        self.times.push((from, schedule.elapsed()));
    }

    /// Takes what falls into its times.
    pub(super) fn take(&mut self, probes: &[Probe], polls: &[Polled]) {
        for (from, to) in &self.times {
            let is_in = |at: Duration| (*from..*to).contains(&at);
            let probes = probes.iter().filter(|probe| is_in(probe.due));
            self.probes.extend(probes.map(|probe| probe.delay.as_secs_f64() * 1e3));
            for poll in polls.iter().filter(|poll| is_in(poll.at)) {
                self.live.push(poll.live_ms);
                self.point.push(poll.point_ms);
                self.refused += u64::from(poll.is_refused);
            }
        }
    }

    pub(super) fn rate(&self) -> f64 {
        self.ticks as f64 / self.seconds
    }

    pub(super) fn tell(&mut self, name: &str, figures: &mut Figures) {
        let view99 = quantile(&mut self.views, 0.5);
        let both = |times: &mut Vec<f64>| [0.5, 0.99].map(|share| quantile(times, share));
        let [probe50, probe99] = both(&mut self.probes);
        let [live50, live99] = both(&mut self.live);
        let [point50, point99] = both(&mut self.point);
        let (rate, late) = (self.rate(), self.late);
        say!(
            "  {name:<8} ticks/s {rate:>8.0}, too late {late};   ms, p50 / p99:   tick to view {view99:.2} (p99)"
        );
        say!(
            "           to subscriber {probe50:.2} / {probe99:.2}   live {live50:.2} / {live99:.2}   point read {point50:.2} / \
             {point99:.2} ({} refused)",
            self.refused
        );
        for (figure, value) in [
            ("ticks_per_s", rate),
            ("too_late", late as f64),
            ("view_p99_ms", view99),
            ("subscriber_p50_ms", probe50),
            ("subscriber_p99_ms", probe99),
            ("live_p99_ms", live99),
            ("point_p99_ms", point99),
        ] {
            figures.report(&format!("readers_{name}_{figure}"), value);
        }
    }
}
