//! What stands at the bottom of a terminal while a command works, and the lines that scroll above it.

use std::io::{self, IsTerminal};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};

use crate::stderr;

/// The bottom of standard error, drawn at most 20 times a second.
static BOTTOM: LazyLock<MultiProgress> = LazyLock::new(|| {
    let target = match is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(
            Box::new(IgnoreErrors(Term::buffered_stderr())),
            20,
        ),
        false => ProgressDrawTarget::hidden(),
    };
    MultiProgress::with_draw_target(target)
});

/// Writes lines to standard error, above the bottom.
pub(super) fn write_above(text: &[u8]) {
    BOTTOM.suspend(|| stderr::plain(text));
}

/// A terminal that may be gone: what it does not take is forgotten, where `indicatif` would panic.
#[derive(Debug)]
struct IgnoreErrors(Term);

/// Methods that try the same of the terminal, whatever comes of it.
macro_rules! ignore_errors {
    ($($name:ident($($argument:ident: $type:ty)?);)*) => {
        $(fn $name(&self, $($argument: $type)?) -> io::Result<()> {
            let _ = self.0.$name($($argument)?);
            Ok(())
        })*
    };
}

impl TermLike for IgnoreErrors {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    ignore_errors! {
        move_cursor_up(n: usize);
        move_cursor_down(n: usize);
        move_cursor_right(n: usize);
        move_cursor_left(n: usize);
        write_line(text: &str);
        write_str(text: &str);
        clear_line();
        flush();
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

/// A terminal that takes nothing, as after Ctrl-S, holds up the end of a command no longer than this.
const DRAW_TIMEOUT: Duration = Duration::from_secs(2);

/// Does something again and again beside the work at hand, until it is dropped.
pub(super) struct Beside {
    end: Option<SyncSender<()>>,
    /// Its other side is dropped when the thread has ended.
    ended: Receiver<()>,
}

impl Beside {
    /// Calls `act` every `period`; drops it at the end.
    pub(super) fn every(
        period: Duration,
        mut act: impl FnMut() + Send + 'static,
    ) -> io::Result<Beside> {
        let (end, is_to_end) = sync_channel::<()>(0);
        let (has_ended, ended) = sync_channel::<()>(0);
        thread::Builder::new().name("screen".to_owned()).spawn(move || {
            while is_to_end.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                act();
            }
            drop(act);
            drop(has_ended);
        })?;
        Ok(Beside { end: Some(end), ended })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.end = None;
        let _ = self.ended.recv_timeout(DRAW_TIMEOUT);
    }
}
