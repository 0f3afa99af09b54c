//! All deliveries of a job, and their orderly end.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::deliverer::{Deliverer, Wish};
use super::handler::DeltaHandler;
use super::standing::{Standing, State};
use crate::views::ViewReader;

/// Threads that deliver, one per handler and view. When this is dropped they end where they are.
pub struct Delivering {
    reader: Arc<dyn ViewReader>,
    runtime: Handle,
    stop: watch::Sender<Option<Instant>>,
    threads: Vec<(Arc<Standing>, JoinHandle<()>)>,
}

/// How often it is looked whether threads have ended.
const LOOK: Duration = Duration::from_millis(5);

/// Says so if a handler panics.
struct Alarm(Arc<Standing>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fails("its handler has panicked; see the log".to_owned());
        }
    }
}

impl Delivering {
    /// Delivers what `reader` reads; `runtime` is where threads wait.
    pub fn new(reader: Arc<dyn ViewReader>, runtime: Handle) -> Delivering {
        Delivering { reader, runtime, stop: watch::Sender::new(None), threads: Vec::new() }
    }

    /// Begins to deliver to a handler. Who begins before the first commit gets everything.
    pub fn start(
        &mut self,
        wish: Wish,
        handler: Box<dyn DeltaHandler>,
        standing: Arc<Standing>,
    ) -> std::io::Result<()> {
        let deliverer = Deliverer {
            reader: Arc::clone(&self.reader),
            runtime: self.runtime.clone(),
            wish,
            handler,
            standing: Arc::clone(&standing),
            stop: self.stop.subscribe(),
            last: None,
        };
        let alarm = Alarm(Arc::clone(&standing));
        let thread = thread::Builder::new().name("deliver".to_owned()).spawn(move || {
            let _alarm = alarm;
            deliverer.run();
        })?;
        self.threads.push((standing, thread));
        Ok(())
    }

    /// Ends all deliveries when they have delivered everything, or `patience` is over. The caller guarantees
    /// that no commit becomes complete any more. A handler that does not come back in time is left alone.
    pub fn finish(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.stop.send_replace(Some(deadline));
        let grace = deadline + LOOK * 4; // in which those that wait for another try notice
        for (standing, thread) in self.threads {
            while !thread.is_finished() && Instant::now() < grace {
                thread::sleep(LOOK);
            }
            if thread.is_finished() {
                let _ = thread.join(); // whose panic has been told
            } else {
                standing.fails(format!("its handler does not come back within {patience:?}"));
            }
            let Standing { name, view, .. } = &*standing;
            let told = standing.told();
            let through = told.commit.map_or_else(|| "none".to_owned(), |c| c.0.to_string());
            let summary = format!(
                "`{}` to `{name}`: {} rows in {} batches, through commit {through}",
                view.name, told.rows, told.batches
            );
            match (told.state, told.last_error) {
                (State::Failed, error) => {
                    tracing::error!(
                        "{summary}; the rest is not delivered: {}",
                        error.unwrap_or_default()
                    );
                }
                _ => tracing::info!("{summary}"),
            }
        }
    }
}
