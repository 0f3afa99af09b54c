//! Makes the log durable, on a thread of its own: a disk takes milliseconds, and commits do not wait for it.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use market::Commit;

use crate::failpoints::{LOG_DURABLE, failpoint};

/// Called, on the thread that makes it so, with the commit up to which all are durable. Must not block.
pub type OnDurable = Box<dyn Fn(Commit) + Send + Sync>;

/// Makes a file durable, again and again. It ends when it is dropped, after what was written before.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    written: Option<Commit>,
    durable: Option<Commit>,
    failed: Option<String>,
    is_ending: bool,
}

impl Syncer {
    pub(super) fn start(file: File, on_durable: Arc<OnDurable>) -> io::Result<Syncer> {
        let shared: Arc<Shared> = Arc::default();
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("commit-log".to_owned());
        let thread = thread.spawn(move || own.run(|| file.sync_data(), &on_durable))?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    /// Everything up to this commit was handed to the system.
    ///
    /// # Errors
    /// Why earlier commits could not be made durable. It is not tried again: after an error nobody knows what the disk
    /// has.
    pub(super) fn written(&self, commit: Commit) -> Result<(), String> {
        let mut state = self.shared.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        state.written = Some(commit);
        self.shared.moved.notify_all();
        Ok(())
    }

    /// Waits until everything written is durable.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.end();
        self.shared.lock().failed.take().map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.moved.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic was told
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, sync: impl Fn() -> io::Result<()>, on_durable: &OnDurable) {
        while let Some(commit) = self.next() {
            match sync() {
                Ok(()) => {
                    failpoint(LOG_DURABLE);
                    self.lock().durable = Some(commit);
                    on_durable(commit);
                }
                Err(error) => {
                    self.lock().failed = Some(error.to_string());
                    return;
                }
            }
        }
    }

    /// Waits for a commit that is not durable; none at the end.
    fn next(&self) -> Option<Commit> {
        let mut state = self.lock();
        loop {
            if state.written > state.durable {
                return state.written;
            }
            if state.is_ending {
                return None;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn an_error_ends_it_and_is_told() {
        let shared = Shared::default();
        shared.lock().written = Some(Commit(3));
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let on_durable: OnDurable = Box::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        shared.run(|| Err(io::Error::other("no disk")), &on_durable);
        assert_eq!(told.load(Ordering::SeqCst), 0);
        let syncer = Syncer { shared: Arc::new(shared), thread: None };
        assert_eq!(syncer.written(Commit(4)), Err("no disk".to_owned()));
        assert_eq!(syncer.finish(), Err("no disk".to_owned()));
    }

    #[test]
    fn what_was_written_is_durable_at_the_end() {
        let file = tempfile::tempfile().unwrap();
        let durable: Arc<Mutex<Vec<Commit>>> = Arc::default();
        let own = Arc::clone(&durable);
        let syncer =
            Syncer::start(file, Arc::new(Box::new(move |commit| own.lock().unwrap().push(commit))));
        let syncer = syncer.unwrap();
        for commit in 0..100 {
            syncer.written(Commit(commit)).unwrap();
        }
        syncer.finish().unwrap();
        let durable = durable.lock().unwrap();
        assert_eq!(durable.last(), Some(&Commit(99)));
        assert!(durable.is_sorted_by(|one, next| one < next), "{durable:?}");
    }
}
