//! All sink drivers of a job, and their shutdown.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::handler::DeltaHandler;
use super::sink_driver::{SinkDriver, SinkSubscription};
use super::status::{SinkState, SinkStatus};
use crate::undelivered::UndeliveredChanges;
use node_api::Throttle;
use rows::ViewReader;

/// The sink drivers of a job: one thread per handler and view. Dropping the set stops them where they are.
///
/// They are threads, not tasks: clients of other systems block or bring a runtime of their own, and there are few.
pub struct SinkSet {
    reader: Arc<dyn ViewReader>,
    runtime: Handle,
    stop: watch::Sender<Option<Instant>>,
    undelivered: UndeliveredChanges,
    threads: Vec<(Arc<SinkStatus>, JoinHandle<()>)>,
}

/// A delivery of a view to a sink that has failed: what follows its last batch is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The name of the sink.
    pub sink: String,
    /// The view.
    pub view: &'static str,
    /// Why it has failed.
    pub error: String,
}

/// The interval at which a shutdown checks whether threads have ended.
const JOIN_POLL: Duration = Duration::from_millis(5);

/// Sets the status to failed if the handler panics.
struct PanicGuard(Arc<SinkStatus>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fails("its handler has panicked; see the log".to_owned());
        }
    }
}

impl SinkSet {
    /// Delivers views of `reader`. The threads wait in `runtime`.
    pub fn new(reader: Arc<dyn ViewReader>, runtime: Handle) -> SinkSet {
        let (stop, undelivered) = (watch::Sender::new(None), UndeliveredChanges::default());
        SinkSet { reader, runtime, stop, undelivered, threads: Vec::new() }
    }

    /// What its sinks will never deliver goes to `undelivered`.
    #[must_use]
    pub fn with_undelivered(mut self, undelivered: UndeliveredChanges) -> SinkSet {
        self.undelivered = undelivered;
        self
    }

    /// Starts a driver for a handler. A handler that starts before the first commit gets every change.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn start(
        &mut self,
        subscription: SinkSubscription,
        handler: Box<dyn DeltaHandler>,
        status: Arc<SinkStatus>,
    ) -> std::io::Result<()> {
        let sink_driver = SinkDriver {
            reader: Arc::clone(&self.reader),
            runtime: self.runtime.clone(),
            subscription,
            handler,
            status: Arc::clone(&status),
            stop: self.stop.subscribe(),
            last: None,
            undelivered: self.undelivered.clone(),
            troubles: Throttle::default(),
        };
        let guard = PanicGuard(Arc::clone(&status));
        let thread = thread::Builder::new().name("deliver".to_owned()).spawn(move || {
            let _alarm = guard;
            sink_driver.run();
        })?;
        self.threads.push((status, thread));
        Ok(())
    }

    /// Stops all drivers when they have delivered everything, or after `timeout`. The caller guarantees that no
    /// commit becomes complete any more. A thread whose handler does not return in time is not joined. Gives what could
    /// not be delivered.
    pub fn finish(self, timeout: Duration) -> Vec<Undelivered> {
        let deadline = Instant::now() + timeout;
        self.stop.send_replace(Some(deadline));
        let grace = deadline + JOIN_POLL * 4; // time for pausing drivers to see the deadline
        let mut undelivered = Vec::new();
        for (status, thread) in self.threads {
            while !thread.is_finished() && Instant::now() < grace {
                thread::sleep(JOIN_POLL);
            }
            if thread.is_finished() {
                let _ = thread.join(); // a panic is already in the status
            } else {
                status.fails(format!("its handler does not come back within {timeout:?}"));
            }
            let SinkStatus { name, view, .. } = &*status;
            let progress = status.progress();
            let through = progress.commit.map_or_else(|| "none".to_owned(), |c| c.0.to_string());
            let summary = format!(
                "`{}` to `{name}`: {} rows in {} batches, through commit {through}",
                view.name, progress.rows, progress.batches
            );
            if progress.state == SinkState::Failed {
                let error = progress.last_error.unwrap_or_default();
                tracing::error!("{summary}; the rest is not delivered: {error}");
                undelivered.push(Undelivered { sink: name.clone(), view: view.name, error });
            } else {
                tracing::info!("{summary}");
            }
        }
        undelivered
    }
}
