//! What stands at the bottom of a terminal while a command works, and the log that scrolls above it.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};

/// The bottom of standard error.
static BOTTOM: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Standard error above the bottom.
pub(super) struct Above;

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BOTTOM.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether there is a bottom to write to.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Shows `bar` at the bottom.
pub(super) fn show(bar: ProgressBar) -> ProgressBar {
    BOTTOM.add(bar)
}

/// Does something again and again beside the work at hand, until it is dropped.
pub(super) struct Beside {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Beside {
    /// Calls `act` every `period`; drops it at the end.
    pub(super) fn every(
        period: Duration,
        mut act: impl FnMut() + Send + 'static,
    ) -> io::Result<Beside> {
        let (end, ended) = channel::<()>();
        let thread = thread::Builder::new().name("screen".to_owned()).spawn(move || {
            while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                act();
            }
        })?;
        Ok(Beside { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("what stood beside the work has failed");
        }
    }
}
