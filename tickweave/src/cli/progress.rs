//! How far a replay is: a bar on a terminal, else a line of the log now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen::{self, Beside};
use super::status::thousands;
use dataflows::ingest::reader_thread::ReadProgress;
use dataflows::run::{Job, OnStart};
use dataflows::telemetry::Metrics;

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressForm {
    /// A bar at the bottom of the terminal; none where standard error is no terminal.
    Bar,
    /// A line of the log every ten seconds.
    Plain,
    /// Nothing.
    None,
}

impl ProgressForm {
    /// What fits standard error.
    pub(super) fn fitting() -> ProgressForm {
        if screen::is_terminal() { ProgressForm::Bar } else { ProgressForm::Plain }
    }
}

/// A replay shorter than this shows no bar.
const SHOW_AFTER: Duration = Duration::from_secs(2);
/// A bar is drawn this often, …
const DRAWN: Duration = Duration::from_millis(200);
/// … and a line is logged this often.
const LOGGED: Duration = Duration::from_secs(10);

/// Shows rows, rows per second and, where known, how much of the input has been read and when it ends; while this
/// lives.
pub(super) struct ProgressDisplay {
    form: ProgressForm,
    beside: Arc<Mutex<Option<Beside>>>,
}

impl ProgressDisplay {
    pub(super) fn new(form: ProgressForm) -> ProgressDisplay {
        ProgressDisplay { form, beside: Arc::default() }
    }

    /// What a job must call when it starts.
    pub(super) fn on_start(&self) -> Option<OnStart> {
        let (form, place) = (self.form, Arc::clone(&self.beside));
        let start = move |job: &Job| {
            let state = State::of(job);
            match form {
                ProgressForm::Bar => Beside::every(DRAWN, draw(state)).map(Some),
                ProgressForm::Plain => Beside::every(LOGGED, move || log(&state)).map(Some),
                ProgressForm::None => Ok(None),
            }
        };
        (form != ProgressForm::None).then(|| -> OnStart {
            Box::new(move |job| match start(job) {
                Ok(beside) => *place.lock().unwrap_or_else(PoisonError::into_inner) = beside,
                Err(error) => tracing::warn!(%error, "progress is not shown"),
            })
        })
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        *self.beside.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What is known of a job.
struct State {
    metrics: Metrics,
    progress: ReadProgress,
    began: Instant,
}

impl State {
    fn of(job: &Job) -> State {
        let (metrics, progress) = (job.metrics.clone(), job.progress.clone());
        State { metrics, progress, began: Instant::now() }
    }

    fn rows(&self) -> String {
        let rows = self.metrics.totals().records;
        let rate = rows as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        format!("{} rows  {} rows/s", thousands(rows), thousands(rate as u64))
    }

    /// Bytes read, and of how many; where the input has an end.
    fn read(&self) -> Option<(u64, u64)> {
        self.progress.read()
    }

    fn left(&self) -> String {
        let left = self.read().and_then(|read| time_left(self.began.elapsed(), read));
        left.map_or_else(String::new, |left| format!("  {} left", in_words(left)))
    }
}

/// The time until the end, if the rest is read as fast as what was read.
fn time_left(elapsed: Duration, (read, of): (u64, u64)) -> Option<Duration> {
    let left = of.checked_sub(read)?;
    let secs = elapsed.as_secs_f64() * left as f64 / read as f64;
    Duration::try_from_secs_f64(secs).ok()
}

/// A time in at most two units: `42s`, `3m 20s`, `2h 5m`.
fn in_words(time: Duration) -> String {
    let secs = time.as_secs_f64().ceil() as u64;
    match (secs / 3_600, secs / 60 % 60, secs % 60) {
        (0, 0, secs) => format!("{secs}s"),
        (0, minutes, secs) => format!("{minutes}m {secs}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

fn log(state: &State) {
    tracing::info!("replaying  {}{}{}", share(state.read()), state.rows(), state.left());
}

fn share(read: Option<(u64, u64)>) -> String {
    match read {
        Some((read, of)) if of > 0 => format!("{:.0} %  ", read as f64 * 100.0 / of as f64),
        _ => String::new(),
    }
}

/// Draws a bar each time it is called, after some time.
fn draw(state: State) -> impl FnMut() + Send {
    let mut shown: Option<Shown> = None;
    move || {
        if state.began.elapsed() >= SHOW_AFTER {
            let shown = shown.get_or_insert_with(|| Shown::new(&state));
            update(&shown.0, &state);
        }
    }
}

/// The bar on the terminal; gone with this.
struct Shown(ProgressBar);

impl Shown {
    /// For work that has taken some time already. What the bar says is set before it is first drawn.
    fn new(state: &State) -> Shown {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let bar = bar.with_elapsed(state.began.elapsed());
        update(&bar, state);
        Shown(screen::show(bar))
    }
}

fn update(bar: &ProgressBar, state: &State) {
    let template = match state.read() {
        Some((read, of)) => {
            bar.set_length(of);
            bar.set_position(read);
            "{percent:>3} % [{bar:30}]  {msg}"
        }
        None => "{msg}  {elapsed}",
    };
    // Fails only if the template is wrong, and it is not.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(format!("{}{}", state.rows(), state.left()));
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read_as_fast_as_what_was_read() {
        let took = Duration::from_secs(10);
        assert_eq!(time_left(took, (1, 5)), Some(Duration::from_secs(40)));
        assert_eq!(time_left(took, (5, 5)), Some(Duration::ZERO));
        assert_eq!(time_left(took, (0, 5)), None);
        assert_eq!(time_left(took, (6, 5)), None, "a file that has grown");
    }

    #[test]
    fn a_share_is_that_of_the_input() {
        assert_eq!(share(Some((1, 8))), "12 %  ");
        assert_eq!(share(None), "", "a pipe has no end that is known");
    }

    #[test]
    fn times_are_in_two_units() {
        for (secs, want) in [
            (0.0, "0s"),
            (41.2, "42s"),
            (200.0, "3m 20s"),
            (7_500.0, "2h 5m"),
            (360_000.0, "100h 0m"),
        ] {
            assert_eq!(in_words(Duration::from_secs_f64(secs)), want);
        }
    }
}
