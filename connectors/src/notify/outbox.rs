//! Sends what is selected of one view: one notice after the other, each as often as it takes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use market::{Commit, EventTime, Rejection, RejectionReason};

use super::channel::{Channel, SendError};
use super::config::NotifySettings;
use super::limit::MessageLimit;
use super::notice::{Notice, NoticeKind, event_id};
use super::row::TextRow;
use super::select::{Before, select};
use super::told::Told;
use crate::sink::{
    BatchKind, EarlierStarts, RejectedRecord, SinkBatch, SinkError, SinkOutcomes, SinkWriter,
};

/// What the writers of a sink know of its views. It outlives them: a writer is dropped after every error.
pub(super) struct Outboxes {
    settings: NotifySettings,
    earlier: Mutex<EarlierStarts>,
    by_view: Mutex<BTreeMap<String, Arc<Mutex<Outbox>>>>,
}

/// What of one view is still to be sent.
struct Outbox {
    settings: NotifySettings,
    earlier: EarlierStarts,
    queue: VecDeque<Queued>,
    /// The part of a batch whose notices are in the queue.
    queued: Option<(BatchKind, Commit, usize)>,
    /// The newest commit and its time.
    newest: (String, Commit, EventTime),
    through: Option<Commit>,
    told: Told,
    limit: MessageLimit,
    outcomes: SinkOutcomes,
}

/// A notice, and since when it is due.
struct Queued {
    notice: Notice,
    due: Instant,
}

/// Writes the batches of one view to a channel.
pub(super) struct NoticeWriter<C> {
    outbox: Arc<Mutex<Outbox>>,
    channel: C,
    view: String,
    /// For people: where to, without secrets.
    shown: String,
}

impl Outboxes {
    pub(super) fn new(settings: NotifySettings) -> Outboxes {
        Outboxes { settings, earlier: Mutex::default(), by_view: Mutex::default() }
    }

    /// Learns what there was before this start.
    pub(super) fn goes_on(&self, earlier: &EarlierStarts) {
        *lock(&self.earlier) = earlier.clone();
    }

    /// A writer of one of the views.
    pub(super) fn writer<C: Channel>(
        &self,
        view: &str,
        channel: C,
        shown: &str,
    ) -> NoticeWriter<C> {
        let mut by_view = lock(&self.by_view);
        let outbox = by_view.entry(view.to_owned()).or_insert_with(|| {
            Arc::new(Mutex::new(Outbox::new(self.settings, lock(&self.earlier).clone())))
        });
        let (outbox, view) = (Arc::clone(outbox), view.to_owned());
        NoticeWriter { outbox, channel, view, shown: shown.to_owned() }
    }
}

impl Outbox {
    fn new(settings: NotifySettings, earlier: EarlierStarts) -> Outbox {
        let through = earlier.delivered;
        Outbox {
            settings,
            earlier,
            queue: VecDeque::new(),
            queued: None,
            newest: (String::new(), Commit(0), EventTime(0)),
            through,
            told: Told::default(),
            limit: MessageLimit::new(settings.per_minute),
            outcomes: SinkOutcomes::default(),
        }
    }

    /// Puts what is told of a batch into the queue, once for all tries.
    fn enqueue(&mut self, batch: &SinkBatch<'_>, now: Instant) {
        let id = (batch.kind, batch.commit, batch.part);
        if self.queued == Some(id) {
            return;
        }
        let before = Before { earlier: &self.earlier, through: self.through, told: &self.told };
        let selected = select(&self.settings, batch, &before);
        self.outcomes.skipped += selected.skipped;
        self.queue.extend(selected.notices.into_iter().map(|notice| Queued { notice, due: now }));
        self.queued = Some(id);
        self.newest = (batch.run.to_owned(), batch.commit, batch.at);
    }

    /// Everything of a part was sent, or will not be.
    fn is_through(&mut self, batch: &SinkBatch<'_>) {
        self.queued = None;
        if batch.last {
            self.through = self.through.max(Some(batch.commit));
        }
    }

    /// Puts a notice of what was held back first into the queue, if it is due.
    fn tell_held_back(&mut self, view: &str, (now, at_once): (Instant, bool)) {
        let by_rule = self.limit.take_due(now, at_once);
        let count: u64 = by_rule.iter().map(|(_, count)| count).sum();
        if count == 0 {
            return;
        }
        let (run, commit, at) = self.newest.clone();
        let kind = NoticeKind::HeldBack(count);
        let key = count.to_string();
        let notice = Notice {
            id: event_id((&run, view), kind, commit, &key),
            kind,
            view: view.to_owned(),
            run,
            commit,
            at,
            key,
            json: None,
            row: TextRow::default(),
            json_before: None,
            before: TextRow::default(),
            withdraws: None,
            by_rule,
        };
        self.queue.push_front(Queued { notice, due: now });
    }

    /// Sends the queue until it is empty, or something has to wait.
    fn send(
        &mut self,
        channel: &mut impl Channel,
        now: impl Fn() -> Instant,
    ) -> Result<(), SendError> {
        while let Some(Queued { notice, due }) = self.queue.front() {
            if !notice.is_summary() && !self.limit.admits(now()) {
                self.limit.hold(notice.row.text("rule").unwrap_or(&notice.view));
                self.outcomes.held_back += 1;
                self.queue.pop_front();
                continue;
            }
            match channel.send(notice) {
                Ok(()) => {
                    self.limit.sent(now());
                    self.outcomes.messages += 1;
                    match notice.kind {
                        NoticeKind::Raised => self.told.raised(&notice.key),
                        NoticeKind::Withdrawn => self.told.withdrawn(&notice.key),
                        _ => {}
                    }
                }
                Err(SendError::Never(why)) => {
                    self.outcomes.rejected.push(rejected(notice, &why));
                }
                Err(SendError::Later { cause, .. })
                    if now().duration_since(*due) >= self.settings.give_up_after =>
                {
                    let why = format!("given up after {:?}: {cause}", self.settings.give_up_after);
                    self.outcomes.rejected.push(rejected(notice, &why));
                }
                Err(later) => return Err(later),
            }
            self.queue.pop_front();
        }
        Ok(())
    }
}

/// A notice as a dead letter.
fn rejected(notice: &Notice, why: &str) -> RejectedRecord {
    let envelope = notice.envelope();
    let reason = RejectionReason::Undelivered;
    let mut rejection = Rejection::new(reason, why, notice.headline().as_bytes());
    rejection.original = Some(envelope.into_boxed_str());
    RejectedRecord { commit: notice.commit, rejection }
}

impl<C: Channel> NoticeWriter<C> {
    fn send(&mut self, ends: bool) -> Result<(), SinkError> {
        let mut outbox = lock(&self.outbox);
        let mut sent = outbox.send(&mut self.channel, Instant::now);
        if sent.is_ok() {
            outbox.tell_held_back(&self.view, (Instant::now(), ends));
            sent = outbox.send(&mut self.channel, Instant::now);
        }
        sent.map_err(|error| failed(&self.shown, error))
    }
}

impl<C: Channel> SinkWriter for NoticeWriter<C> {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError> {
        let now = Instant::now();
        {
            let mut outbox = lock(&self.outbox);
            outbox.tell_held_back(&self.view, (now, false));
            outbox.enqueue(batch, now);
        }
        self.send(false)?;
        lock(&self.outbox).is_through(batch);
        Ok(())
    }

    fn check(&mut self, _run: &str, _commit: Commit) -> Result<(), SinkError> {
        self.send(false)
    }

    fn take_outcomes(&mut self) -> SinkOutcomes {
        std::mem::take(&mut lock(&self.outbox).outcomes)
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.send(true)
    }
}

/// The error of a sink whose message could not be sent to `shown`.
pub(super) fn failed(shown: &str, error: SendError) -> SinkError {
    let tried = format!("cannot notify {shown}");
    match error {
        SendError::Later { cause, pause: Some(pause) } => {
            SinkError::RetryAfter { tried, cause: cause.into(), pause }
        }
        SendError::Later { cause, pause: None } => SinkError::Retry { tried, cause: cause.into() },
        SendError::Never(why) => SinkError::Fatal { tried, cause: why.into() },
    }
}

pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
