//! The queues between sources and a sequencer: one per source, with a bound, read by turns.
//!
//! A source whose queue is full waits, and nobody else does. The receiver takes one event of each source that has any
//! before it takes the next of the same source, so a backlog delays the others by one event per source.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::input::SourceEvent;

/// The most events that reader threads of one source may be ahead of the sequencer of a live run: enough that it finds
/// rows while reader threads wake up, and so few that 64 sources with backlogs hold about a million rows.
pub const SOURCE_EVENTS: usize = 16;
/// The most bodies of requests that may wait for the sequencer. More than of other sources, since a client that finds
/// no room is turned away, and the sequencer may be busy with a commit for a moment.
pub const POST_EVENTS: usize = 64;
/// The most events that the reader thread of a bare file may be ahead of the sequencer.
pub const FILE_EVENTS: usize = 4;

/// Makes a queue per source, with room for so many events each. The sender at a place is that of the source with this
/// number.
pub fn event_queues(bounds: impl IntoIterator<Item = usize>) -> (Vec<EventSender>, EventReceiver) {
    let (sent, bytes) = (Arc::new(EventCount::default()), Arc::default());
    let queues = bounds.into_iter().map(|bound| queue(bound, &sent, &bytes));
    let (senders, queues) = queues.unzip();
    (senders, EventReceiver { queues, turn: 0, sent, bytes })
}

/// Makes the queue of one source, whose number is 0 to the receiver.
pub fn event_queue(bound: usize) -> (EventSender, EventReceiver) {
    let (sent, bytes) = (Arc::new(EventCount::default()), Arc::default());
    let (sender, queue) = queue(bound, &sent, &bytes);
    (sender, EventReceiver { queues: vec![queue], turn: 0, sent, bytes })
}

fn queue(bound: usize, sent: &Arc<EventCount>, bytes: &Arc<AtomicUsize>) -> (EventSender, Queue) {
    let (to, events) = sync_channel(bound);
    let wake = WakeOnDrop(Arc::clone(sent));
    let waiting = Arc::new(AtomicUsize::new(0));
    let queue = Queue { events, waiting: Arc::clone(&waiting), is_paused: false };
    (EventSender { to, waiting, bytes: Arc::clone(bytes), wake }, queue)
}

/// The sending end of the queue of one source. Clones share the queue, such as those of the partitions of a source.
#[derive(Clone)]
pub struct EventSender {
    // Dropped before `wake`, so that the receiver, once awake, finds it gone.
    to: SyncSender<SourceEvent>,
    waiting: Arc<AtomicUsize>,
    /// Of the events in all queues.
    bytes: Arc<AtomicUsize>,
    wake: WakeOnDrop,
}

impl EventSender {
    /// Sends an event; waits while the queue of the source is full.
    ///
    /// # Errors
    /// The receiver is gone, also if that happens meanwhile.
    pub fn send(&self, event: SourceEvent) -> Result<(), SendError<SourceEvent>> {
        // Counted before it is there, so that a queue which is said to be empty is.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(event.heap_bytes(), Ordering::Relaxed);
        self.to.send(event)?;
        self.wake.0.add();
        Ok(())
    }

    /// Sends an event if there is room.
    ///
    /// # Errors
    /// The queue of the source is full, or the receiver is gone.
    pub fn try_send(&self, event: SourceEvent) -> Result<(), TrySendError<SourceEvent>> {
        let bytes = event.heap_bytes();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.to.try_send(event).inspect_err(|_| {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        })?;
        self.wake.0.add();
        Ok(())
    }
}

/// The receiving end of the queues of all sources.
pub struct EventReceiver {
    queues: Vec<Queue>,
    /// The source that is asked first.
    turn: usize,
    sent: Arc<EventCount>,
    bytes: Arc<AtomicUsize>,
}

struct Queue {
    events: Receiver<SourceEvent>,
    /// How many events are in it, or about to be.
    waiting: Arc<AtomicUsize>,
    is_paused: bool,
}

/// What a look at all queues found.
enum Polled {
    Event(usize, SourceEvent),
    Empty,
    /// Nothing, and nobody is there to send anything.
    Disconnected,
}

impl EventReceiver {
    /// The number of sources.
    pub fn sources(&self) -> usize {
        self.queues.len()
    }

    /// The bytes of all events that wait, to be read by any thread.
    pub fn bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.bytes)
    }

    /// Whether no event of a source waits, nor is about to.
    pub fn is_empty(&self, source: usize) -> bool {
        self.queues[source].waiting.load(Ordering::SeqCst) == 0
    }

    /// Takes no event of a source until it is resumed; its senders wait when its queue is full.
    pub fn pause(&mut self, source: usize) {
        self.queues[source].is_paused = true;
    }

    /// Takes events of a source again.
    pub fn resume(&mut self, source: usize) {
        self.queues[source].is_paused = false;
    }

    /// The next event and the number of its source; waits for one. None when all senders are gone and every event was
    /// taken.
    pub fn recv(&mut self) -> Option<(usize, SourceEvent)> {
        loop {
            let seen = self.sent.count();
            match self.poll() {
                Polled::Event(source, event) => return Some((source, event)),
                Polled::Disconnected => return None,
                Polled::Empty => self.sent.wait(seen),
            }
        }
    }

    /// The next event and the number of its source; waits for one until `deadline`, also if no sender is left. Events
    /// that are there already are taken even if it has passed.
    pub fn recv_until(&mut self, deadline: Instant) -> Option<(usize, SourceEvent)> {
        loop {
            let seen = self.sent.count();
            if let Polled::Event(source, event) = self.poll() {
                return Some((source, event));
            }
            if !self.sent.wait_until(seen, deadline) {
                return None;
            }
        }
    }

    /// The first event, beginning with the source whose turn it is.
    fn poll(&mut self) -> Polled {
        let sources = self.queues.len();
        let mut found = Polled::Disconnected;
        for source in (self.turn..sources).chain(0..self.turn) {
            let queue = &self.queues[source];
            if queue.is_paused {
                found = Polled::Empty;
                continue;
            }
            match queue.events.try_recv() {
                Ok(event) => {
                    queue.waiting.fetch_sub(1, Ordering::SeqCst);
                    self.bytes.fetch_sub(event.heap_bytes(), Ordering::Relaxed);
                    self.turn = (source + 1) % sources;
                    return Polled::Event(source, event);
                }
                Err(TryRecvError::Empty) => found = Polled::Empty,
                Err(TryRecvError::Disconnected) => {}
            }
        }
        found
    }
}

/// Counts what was sent, so that the receiver can sleep on all queues at once.
///
/// The receiver reads the count, looks into the queues, and sleeps only while the count is what it was. What is sent
/// after the look changes the count, so nothing is missed.
#[derive(Default)]
struct EventCount {
    count: Mutex<u64>,
    changed: Condvar,
}

impl EventCount {
    fn count(&self) -> u64 {
        *self.lock()
    }

    fn add(&self) {
        let mut count = self.lock();
        *count = count.wrapping_add(1);
        self.changed.notify_one(); // there is one receiver
    }

    /// Waits until the count is not `seen` any more.
    fn wait(&self, seen: u64) {
        let mut count = self.lock();
        while *count == seen {
            count = self.changed.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Like [`EventCount::wait`], until `deadline` at most; returns whether the count has changed.
    fn wait_until(&self, seen: u64, deadline: Instant) -> bool {
        let mut count = self.lock();
        while *count == seen {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(count, rest);
            (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the receiver when a sender is gone: it may have been the last.
#[derive(Clone)]
struct WakeOnDrop(Arc<EventCount>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}
