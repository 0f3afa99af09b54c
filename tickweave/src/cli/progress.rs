//! How far a replay is, on a terminal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen::{self, Beside};
use super::status::thousands;
use dataflows::run::{Job, OnStart};

/// A replay shorter than this shows nothing.
const SHOW_AFTER: Duration = Duration::from_secs(2);
const PERIOD: Duration = Duration::from_millis(200);

/// A bar that shows rows, rows per second and, where known, how much of the input has been read; while
/// this lives and once a replay has taken some time.
#[derive(Default)]
pub(super) struct Bar(Arc<Mutex<Option<Beside>>>);

impl Bar {
    /// What a job must call when it starts.
    pub(super) fn on_start(&self) -> OnStart {
        let place = Arc::clone(&self.0);
        Box::new(move |job| {
            let beside = match Beside::every(PERIOD, watch(job)) {
                Ok(beside) => Some(beside),
                Err(error) => {
                    tracing::warn!(%error, "progress is not shown");
                    None
                }
            };
            *place.lock().unwrap_or_else(PoisonError::into_inner) = beside;
        })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Draws the state of a job each time it is called, after some time.
fn watch(job: &Job) -> impl FnMut() + Send + use<> {
    let (metrics, progress) = (job.metrics.clone(), job.progress.clone());
    let began = Instant::now();
    let mut shown: Option<Shown> = None;
    move || {
        let elapsed = began.elapsed();
        if elapsed < SHOW_AFTER {
            return;
        }
        let rows = metrics.totals().records;
        let rate = rows as f64 / elapsed.as_secs_f64();
        let text = format!("{} rows  {} rows/s", thousands(rows), thousands(rate as u64));
        shown.get_or_insert_with(|| Shown::new(elapsed)).draw(text, progress.read());
    }
}

/// The bar on the terminal; gone with this.
struct Shown(ProgressBar);

impl Shown {
    /// For work that has taken some time already.
    fn new(elapsed: Duration) -> Shown {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Shown(screen::show(bar.with_elapsed(elapsed)))
    }

    fn draw(&self, text: String, progress: Option<(u64, u64)>) {
        let template = match progress {
            Some((read, of)) => {
                self.0.set_length(of);
                self.0.set_position(read);
                "{percent:>3} % [{bar:30}]  {msg}  {elapsed}"
            }
            None => "{msg}  {elapsed}",
        };
        // Fails only if the template is wrong, and it is not.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
        self.0.set_message(text);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
