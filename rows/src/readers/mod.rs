//! The threads that read views for clients: few, of low priority, behind a fair queue.
//!
//! Most reads first run on the thread for short reads, where they may visit [`SHORT_ROWS`] rows. A read that exceeds
//! this is stopped and queued for the threads for long reads, which run it to its end. In both queues reads wait by
//! [`Class`]; the class that has used the least time is next (`queue`). A point read therefore waits for a few short
//! reads at most, whatever else is queued. Threads for long reads have a lower priority than workers, so readers use the CPU
//! time that the job leaves.
//!
//! A long read begins anew: so a waiting read keeps no state, and a stopped one loses a few milliseconds of work. Reads
//! share threads by class and not by client, since one client with a hundred connections looks like a hundred clients.
//!
//! A full queue rejects reads, a read that has waited too long is rejected, and a read whose client is gone does not
//! run. A read whose kind was long a moment ago is not tried first, so that it is rejected at once where no long read
//! can wait: a thousand clients that come again each second would keep the thread for short reads busy with what is
//! stopped anyway. This module does not know what is read; the caller says which reads are of one kind.

mod allowance;
mod job;
mod long_kinds;
mod queue;
#[cfg(test)]
mod tests;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::priority::{NICE_LONG_READS, NICE_SERVING, lower_priority};
use crate::reader::ReadError;
use job::{Job, Read};
use long_kinds::LongKinds;
use queue::Queue;

pub use allowance::{Allowance, Exceeded};
pub use queue::Class;

/// A read that visits more rows is a long read.
pub const SHORT_ROWS: usize = 10_000;

/// Bounds on the use by readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The number of threads for long reads, at least one.
    pub threads: usize,
    /// The most reads of a class that wait in a queue, at least one.
    pub waiting: usize,
    /// A point read or scan that has not begun after this time is rejected.
    pub wait: Duration,
}

impl Bounds {
    /// The same on a machine of so many cores: long reads leave one of them to the job, if there are two.
    ///
    /// ```
    /// use rows::readers::Bounds;
    /// let threads = |cores| Bounds { threads: 3, ..Bounds::default() }.on_cores(cores).threads;
    /// assert_eq!([1, 2, 4, 64].map(threads), [1, 1, 3, 3]);
    /// ```
    #[must_use]
    pub fn on_cores(self, cores: usize) -> Bounds {
        Bounds { threads: self.threads.min(cores.saturating_sub(1)).max(1), ..self }
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { threads: 2, waiting: 256, wait: Duration::from_secs(5) }
    }
}

/// Why a read stops before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadStop {
    /// Its allowance is used up.
    Exceeded,
    /// It failed.
    Failed(ReadError),
}

impl From<Exceeded> for ReadStop {
    fn from(_: Exceeded) -> ReadStop {
        ReadStop::Exceeded
    }
}

impl From<ReadError> for ReadStop {
    fn from(error: ReadError) -> ReadStop {
        ReadStop::Failed(error)
    }
}

/// Called with the reason of each rejected read, `full` or `waited`; it must not block.
pub type OnRefused = Arc<dyn Fn(&'static str) + Send + Sync>;

/// The reader threads. Clones share them; they end when the last clone is dropped.
#[derive(Clone)]
pub struct ReaderPool(Arc<Owner>);

struct Owner(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    short: Condvar,
    long: Condvar,
    bounds: Bounds,
    on_refused: OnRefused,
}

struct State {
    short: Queue<Box<dyn Job>>,
    long: Queue<Box<dyn Job>>,
    long_kinds: LongKinds,
    closed: bool,
}

impl ReaderPool {
    /// Starts the threads: one for short reads, and those for long ones. The error is that of the system.
    pub fn start(bounds: Bounds, on_refused: OnRefused) -> io::Result<ReaderPool> {
        let state = State {
            short: Queue::new(bounds.waiting.max(1)),
            long: Queue::new(bounds.waiting.max(1)),
            long_kinds: LongKinds::default(),
            closed: false,
        };
        let (short, long) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { state: Mutex::new(state), short, long, bounds, on_refused });
        let pool = ReaderPool(Arc::new(Owner(Arc::clone(&shared))));
        let own = Arc::clone(&shared);
        thread::Builder::new().name("read-short".to_owned()).spawn(move || own.run_short())?;
        for _ in 0..bounds.threads.max(1) {
            let own = Arc::clone(&shared);
            thread::Builder::new().name("read".to_owned()).spawn(move || own.run_long())?;
        }
        Ok(pool)
    }

    /// Runs a read. It is called once, or a second time from its beginning if it exceeds the allowance of a short read.
    /// It must take visited rows off the allowance.
    pub async fn read<T: Send + 'static>(
        &self,
        class: Class,
        read: impl FnMut(&mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.submit(class, None, true, read).await
    }

    /// The same for a read of a kind: reads of one kind visit about as many rows.
    pub async fn read_of_kind<T: Send + 'static>(
        &self,
        class: Class,
        kind: u64,
        read: impl FnMut(&mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.submit(class, Some(kind), true, read).await
    }

    /// Runs long work that is not a read.
    pub async fn run<T: Send + 'static>(
        &self,
        class: Class,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let mut work = Some(work);
        let read = move |_: &mut Allowance<'_>| match work.take() {
            Some(work) => Ok(work()),
            None => Err(ReadStop::Failed(ReadError::Closed)), // it is called once only
        };
        self.submit(class, None, false, read).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        class: Class,
        kind: Option<u64>,
        short: bool,
        read: impl FnMut(&mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Owner(shared) = &*self.0;
        let (reply, mut answer) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        shared.push(class, short, Box::new(Read::new(kind, read, reply, &begun)));
        if matches!(class, Class::Point | Class::Scan) {
            match timeout(shared.bounds.wait, &mut answer).await {
                Ok(read) => return read.unwrap_or(Err(ReadError::Closed)),
                Err(_) if begun.load(Ordering::SeqCst) => {}
                Err(_) => {
                    (shared.on_refused)("waited");
                    return Err(ReadError::Waited { wait: shared.bounds.wait });
                }
            }
        }
        answer.await.unwrap_or(Err(ReadError::Closed))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Owner(shared) = self;
        shared.lock().closed = true;
        shared.short.notify_all();
        shared.long.notify_all();
    }
}

impl Shared {
    fn push(&self, class: Class, short: bool, job: Box<dyn Job>) {
        let mut state = self.lock();
        let short = short && !state.is_known_as_long(&*job);
        let queue = if short { &mut state.short } else { &mut state.long };
        let refused = queue.push(class, job, |job| job.is_abandoned());
        drop(state);
        match refused {
            Ok(()) if short => self.short.notify_one(),
            Ok(()) => self.long.notify_one(),
            Err(mut job) => {
                (self.on_refused)("full");
                job.refuse(ReadError::Full { waiting: self.bounds.waiting });
            }
        }
    }

    /// Runs short reads, and queues those that exceed their allowance as long ones.
    fn run_short(&self) {
        lower_priority(NICE_SERVING);
        while let Some((class, mut job)) = self.next(true) {
            let begun = Instant::now();
            let done = run(&mut *job, true);
            let mut state = self.lock();
            state.short.charge(class, begun.elapsed());
            if let Some(kind) = job.kind() {
                state.long_kinds.note(kind, !done, Instant::now());
            }
            drop(state);
            if !done {
                self.push(class, false, job);
            }
        }
    }

    fn run_long(&self) {
        lower_priority(NICE_LONG_READS);
        while let Some((class, mut job)) = self.next(false) {
            let begun = Instant::now();
            run(&mut *job, false);
            self.lock().long.charge(class, begun.elapsed());
        }
    }

    /// Waits for the next job whose client is not gone; none when the pool is closed.
    fn next(&self, short: bool) -> Option<(Class, Box<dyn Job>)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let queue = if short { &mut state.short } else { &mut state.long };
            match queue.pop() {
                Some((_, job)) if job.is_abandoned() => {}
                Some(next) => return Some(next),
                None => {
                    let pushed = if short { &self.short } else { &self.long };
                    state = pushed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a job of its kind was long a moment ago.
    fn is_known_as_long(&self, job: &dyn Job) -> bool {
        job.kind().is_some_and(|kind| self.long_kinds.has(kind, Instant::now()))
    }
}

/// Runs a job. If it panics, its client gets an error; the panic itself is a line of the log, with this thread's name.
fn run(job: &mut dyn Job, short: bool) -> bool {
    catch_unwind(AssertUnwindSafe(|| job.run(short))).unwrap_or(true)
}
