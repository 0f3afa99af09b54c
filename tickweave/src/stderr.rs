//! Lines of standard error, written by a thread of their own.
//!
//! A thread that logs queues its line and continues: a closed standard error, or a reader that has stopped reading,
//! blocks no thread and is no error. Lines for which there is no room are counted, and the
//! count is written when the lines before it are.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use market::printable;

use crate::log_format::{self, Importance, LogFormat};

/// At most so many lines wait to be written, …
const LINES_MAX: usize = 1_024;
/// … with so many bytes together.
const BYTES_MAX: usize = 1 << 20;
/// How long a message to the user, as opposed to a log line, waits for room.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes text to where lines go, as far as that takes it.
pub type Write = Box<dyn FnMut(&[u8]) + Send>;

/// The lines of this process.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Has lines written by `write` from now on. Only the first call counts, and only before the first line.
pub fn begin(write: Write) {
    let _ = LINES.set(Lines::start(write));
}

/// Hands over lines of the log; never waits.
pub fn log(text: &[u8]) {
    lines().offer(text);
}

/// Hands over lines for people, in their order with those of the log. Waits for room, for a short time.
pub fn line(text: &str) {
    message(Importance::Info, text);
}

/// Hands over why the command fails, or will; as text it begins with the program's name.
pub fn failure(text: &str) {
    match log_format::chosen() {
        LogFormat::Text => message(Importance::Error, &format!("tickweave: {text}")),
        LogFormat::Json => message(Importance::Error, text),
    }
}

fn message(importance: Importance, text: &str) {
    // Errors quote input, and have lines of their own.
    let lines_of_text = text.lines().map(|line| printable(line, BYTES_MAX) + "\n");
    let message = log_format::message(importance, &lines_of_text.collect::<String>());
    lines().say(message.as_bytes(), MESSAGE_TIMEOUT);
}

/// [`line`] with the arguments of [`format!`].
macro_rules! say {
    ($($text:tt)*) => { $crate::stderr::line(&format!($($text)*)) };
}
pub(crate) use say;

/// [`failure`] with the arguments of [`format!`].
macro_rules! problem {
    ($($text:tt)*) => { $crate::stderr::failure(&format!($($text)*)) };
}
pub(crate) use problem;

/// Waits until all lines are written, but not longer than `within`.
pub fn flush(within: Duration) {
    lines().flush(within);
}

/// Where `tracing` writes; it never fails.
pub struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        log(&one_record(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A record of the log, all of whose lines but the first are indented: what a message quotes cannot look like a record
/// of its own. `tracing` writes a record at once, and escapes control characters but this.
fn one_record(record: &[u8]) -> Vec<u8> {
    let (body, end) = match record.strip_suffix(b"\n") {
        Some(body) => (body, &b"\n"[..]),
        None => (record, &b""[..]),
    };
    let mut lines = body.split(|byte| *byte == b'\n');
    let mut indented = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        indented.extend_from_slice(b"\n    ");
        indented.extend_from_slice(line);
    }
    indented.extend_from_slice(end);
    indented
}

/// Writes to standard error itself, and forgets what it does not take.
pub fn plain(text: &[u8]) {
    let _ = io::stderr().write_all(text);
}

fn lines() -> &'static Lines {
    LINES.get_or_init(|| Lines::start(Box::new(plain)))
}

/// Lines that wait for the thread that writes them.
pub struct Lines(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Something has come, or was written.
    moved: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines without room since the last were taken out.
    dropped: u64,
    /// Whether lines that were taken out are being written.
    is_writing: bool,
    /// Whether there is no thread, so that nothing is ever written.
    is_mute: bool,
}

impl Lines {
    /// Lines that a new thread writes by `write`.
    pub fn start(write: Write) -> Lines {
        let shared = Arc::new(Shared { queue: Mutex::default(), moved: Condvar::new() });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("stderr".to_owned());
        if thread.spawn(move || own.write(write)).is_err() {
            shared.lock().is_mute = true;
        }
        Lines(shared)
    }

    /// Hands over `text` if there is room.
    pub fn offer(&self, text: &[u8]) {
        let mut queue = self.0.lock();
        if !queue.push(text) {
            queue.dropped += 1;
        }
        self.0.moved.notify_all();
    }

    /// Hands over `text` when there is room, but does not wait longer than `within`.
    pub fn say(&self, text: &[u8], within: Duration) {
        drop(self.0.wait_until(within, |queue| queue.has_room(text.len())));
        self.offer(text);
    }

    /// Waits until everything is written, but not longer than `within`.
    pub fn flush(&self, within: Duration) {
        drop(self.0.wait_until(within, Queue::is_written));
    }
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.lines.is_empty() || (self.lines.len() < LINES_MAX && self.bytes + bytes <= BYTES_MAX)
    }

    /// Takes a text if there is room; one that is too long by itself is cut.
    fn push(&mut self, text: &[u8]) -> bool {
        let text = &text[..text.len().min(BYTES_MAX)];
        let fits = self.has_room(text.len()) && !self.is_mute;
        if fits {
            self.bytes += text.len();
            self.lines.push_back(text.to_owned());
        }
        fits
    }

    fn is_written(&self) -> bool {
        (self.lines.is_empty() && self.dropped == 0 && !self.is_writing) || self.is_mute
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_so` holds, but not longer than `within`.
    fn wait_until(
        &self,
        within: Duration,
        is_so: impl Fn(&Queue) -> bool,
    ) -> MutexGuard<'_, Queue> {
        let until = Instant::now() + within;
        let mut queue = self.lock();
        while !is_so(&queue) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.moved.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue
    }

    /// Writes what comes, for as long as the process lives. The queue is free while that takes its time.
    fn write(&self, mut write: Write) {
        loop {
            let (lines, dropped) = self.next();
            let mut write = |text: &[u8]| {
                // What draws on a terminal must not end this thread.
                let _ = catch_unwind(AssertUnwindSafe(|| write(text)));
            };
            lines.iter().for_each(|line| write(line));
            if dropped > 0 {
                let text =
                    format!("{dropped} lines are left out: they came faster than they are read\n");
                write(log_format::message(Importance::Error, &text).as_bytes());
            }
            self.lock().is_writing = false;
            self.moved.notify_all();
        }
    }

    /// Waits for lines and takes them out.
    fn next(&self) -> (VecDeque<Vec<u8>>, u64) {
        let mut queue = self.lock();
        while queue.lines.is_empty() && queue.dropped == 0 {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.bytes = 0;
        queue.is_writing = true;
        self.moved.notify_all(); // there is room
        (std::mem::take(&mut queue.lines), std::mem::take(&mut queue.dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Lines, what was written of them, and what lets one more be written.
    fn gated() -> (Lines, Arc<Mutex<String>>, SyncSender<()>) {
        let text: Arc<Mutex<String>> = Arc::default();
        let (open, gate): (_, Receiver<()>) = sync_channel(0);
        let own = Arc::clone(&text);
        let lines = Lines::start(Box::new(move |line| {
            let _ = gate.recv(); // goes on for good when nobody holds it up any more
            own.lock().unwrap().push_str(std::str::from_utf8(line).unwrap());
        }));
        (lines, text, open)
    }

    #[test]
    fn a_record_begins_one_line() {
        for (record, want) in
            [(&b"a\n"[..], &b"a\n"[..]), (b"a\nINFO b\nc\n", b"a\n    INFO b\n    c\n"), (b"", b"")]
        {
            assert_eq!(one_record(record), want);
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let (lines, text, open) = gated();
        lines.offer(b"first\n");
        drop(lines.0.wait_until(LONG, |queue| queue.is_writing));
        for n in 0..LINES_MAX + 7 {
            lines.offer(format!("{n}\n").as_bytes());
        }
        lines.say(b"message\n", Duration::from_millis(1));
        lines.flush(Duration::from_millis(1));
        assert_eq!(*text.lock().unwrap(), "");
        drop(open);
        lines.flush(LONG);
        lines.offer(b"after\n");
        lines.flush(LONG);
        let numbers: String = (0..LINES_MAX).map(|n| format!("{n}\n")).collect();
        let left_out = "8 lines are left out: they came faster than they are read\n";
        assert_eq!(*text.lock().unwrap(), format!("first\n{numbers}{left_out}after\n"));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let (lines, text, open) = gated();
        lines.offer(b"first");
        drop(lines.0.wait_until(LONG, |queue| queue.is_writing));
        lines.offer(&vec![b'x'; 2 * BYTES_MAX]);
        lines.offer(b"z");
        drop(open);
        lines.flush(LONG);
        let text = text.lock().unwrap();
        assert_eq!(text.matches('x').count(), BYTES_MAX);
        assert!(text.contains("1 lines are left out") && !text.contains('z'));
    }

    #[test]
    fn a_panic_of_what_writes_is_no_end() {
        let (sender, written) = sync_channel(2);
        let lines = Lines::start(Box::new(move |line| {
            sender.send(line.to_owned()).unwrap();
            assert!(line != b"bad", "a test");
        }));
        for line in [b"bad", b"two"] {
            lines.offer(line);
            assert_eq!(written.recv_timeout(LONG).unwrap(), line);
        }
        lines.flush(LONG);
    }
}
