//! The state of a live job in a line: redrawn in place on a terminal, else a line of the log now and then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::screen::{self, Beside};
use crate::node::Node;
use dataflows::publish::Board;
use dataflows::telemetry::Metrics;

/// A terminal is drawn this often, …
const DRAWN: Duration = Duration::from_millis(250);
/// … and elsewhere a line is logged this often.
const LOGGED: Duration = Duration::from_secs(10);
/// Ticks per second are the mean over this time.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Shows the state of `node` until what this gives is dropped.
pub(super) fn show(node: &Node) -> std::io::Result<Beside> {
    let mut state = State::of(node);
    if screen::is_terminal() {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_finish(ProgressFinish::Abandon); // the last state stays
        let bar = screen::show(bar);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Beside::every(DRAWN, move || bar.set_message(state.line("\n          ")))
    } else {
        Beside::every(LOGGED, move || tracing::info!("{}", state.line("  ")))
    }
}

struct State {
    metrics: Metrics,
    board: Arc<Board>,
    began: Instant,
    /// When how many ticks had come.
    counted: VecDeque<(Instant, u64)>,
}

impl State {
    fn of(node: &Node) -> State {
        let (metrics, board) = (node.metrics().clone(), Arc::clone(node.board()));
        let began = Instant::now();
        State { metrics, board, began, counted: VecDeque::from([(began, 0)]) }
    }

    /// The state now; `fold` stands where the line may be folded.
    fn line(&mut self, fold: &str) -> String {
        let totals = self.metrics.totals();
        let now = Instant::now();
        self.counted.push_back((now, totals.records));
        while self.counted.len() > 2 && self.counted[1].0 + RATE_OVER <= now {
            self.counted.pop_front();
        }
        let rate = self.counted.front().map_or(0.0, |(then, records)| {
            let secs = now.duration_since(*then).as_secs_f64();
            totals.records.saturating_sub(*records) as f64 / secs.max(1e-3)
        });
        let within = |fraction| match self.metrics.tick_to_view_within(fraction) {
            Some(took) => format!("{:.1} ms", took.as_secs_f64() * 1e3),
            None => "-".to_owned(),
        };
        let (p50, p99) = (within(0.5), within(0.99));
        format!(
            "[{:>6.1}s] running  {} ticks/s  tick→view p50 {p50} p99 {p99}  bars {}{fold}\
             revised {}  late {}  corrected {}  cancelled {}  conflicts {}  dead letters {}{fold}\
             outliers {}  gaps {}  alerts raised {}  withdrawn {}",
            self.began.elapsed().as_secs_f64(),
            thousands(rate as u64),
            thousands(self.board.rows("candles")),
            thousands(self.board.log("revisions").map_or(0, |log| log.appended())),
            thousands(totals.late),
            thousands(totals.corrections),
            thousands(totals.cancels),
            thousands(totals.conflicts),
            thousands(totals.dead),
            thousands(totals.outliers),
            thousands(self.board.rows("gaps")),
            thousands(totals.alerts_raised),
            thousands(totals.alerts_withdrawn),
        )
    }
}

/// A number with its thousands apart: `20,114`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        for (n, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(thousands(n), want);
        }
    }
}
