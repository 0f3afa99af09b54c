//! What clients may have read at a time: reads beyond that are refused, snapshots are shared, and the process still
//! says how it is.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Duration;

use market::{BarState, Commit, EventTime};
use serde_json::Value;
use tokio::sync::watch;

use super::sockets::Running;
use super::views::view;
use super::{Rows, Server, cells};
use crate::Limits;
use crate::subscribe::{
    ClientSink, Message, SendOutcome, Subscriber, SubscriptionRequest, WaitFuture,
};
use rows::readers::{Bounds, Class, OnRefused, ReaderPool};
use rows::{
    AsOf, CandlePage, Cell, Changes, Cut, Frontier, Page, ReadError, ReadFuture, RowFilter, Scan,
    Snapshot, SnapshotPart, View, ViewReader,
};

/// Reads on reader threads, and counts snapshots and the parts that are read of them.
struct Pooled {
    rows: Arc<Rows>,
    readers: ReaderPool,
    snapshots: AtomicUsize,
    parts: Arc<AtomicUsize>,
    /// The rows of the newest snapshot.
    newest: Mutex<Weak<[Vec<Cell>]>>,
    /// Snapshots are given once this is true.
    open: watch::Receiver<bool>,
}

/// The rows of a view, in parts of the size that is asked for.
#[derive(Clone)]
struct Many {
    rows: Arc<[Vec<Cell>]>,
    from: usize,
    parts: Arc<AtomicUsize>,
}

impl Snapshot for Many {
    fn frontier(&self) -> Frontier {
        Frontier { commit: Some(Commit(17)), at: EventTime(0) }
    }

    fn next(&self, rows: usize) -> SnapshotPart {
        self.parts.fetch_add(1, Ordering::SeqCst);
        let to = (self.from + rows).min(self.rows.len());
        let rest = Many { from: to, ..self.clone() };
        let rest = (to < self.rows.len()).then(|| Arc::new(rest) as Arc<dyn Snapshot>);
        (self.rows[self.from..to].to_vec(), rest)
    }
}

impl ViewReader for Pooled {
    fn frontier(&self) -> Frontier {
        self.rows.frontier()
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'_, Page> {
        let rows = Arc::clone(&self.rows);
        Box::pin(async move {
            self.readers.run(Class::Scan, || ()).await?;
            rows.scan(scan).await
        })
    }

    fn cut(&self, views: &[&'static View], as_of: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError> {
        self.rows.cut(views, as_of)
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'_, CandlePage> {
        self.rows.candles(scan)
    }

    fn snapshot(
        &self,
        _: &'static View,
        _: Arc<RowFilter>,
        _: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        self.snapshots.fetch_add(1, Ordering::SeqCst);
        let candles = self.rows.candles.lock().unwrap();
        let rows: Arc<[_]> = candles.iter().map(|(key, candle)| cells(key, candle)).collect();
        *self.newest.lock().unwrap() = Arc::downgrade(&rows);
        let many = Many { rows, from: 0, parts: Arc::clone(&self.parts) };
        let mut open = self.open.clone();
        Box::pin(async move {
            let opened = open.wait_for(|open| *open).await.is_ok();
            if opened { Ok(Arc::new(many) as Arc<dyn Snapshot>) } else { Err(ReadError::Closed) }
        })
    }

    fn changes(
        &self,
        _: &'static View,
        _: Arc<RowFilter>,
        _: Option<Commit>,
        through: Frontier,
    ) -> ReadFuture<'_, Changes> {
        Box::pin(ready(Ok(Changes { frontier: through, changes: Vec::new() })))
    }

    fn moved(&self, _: &'static View) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn count(&self, _: &'static View) -> u64 {
        0
    }
}

/// A server whose view `candles` has so many rows, the reader of it, and what lets snapshots be read.
fn pooled(rows: usize, bounds: Bounds) -> (Server, Arc<Pooled>, watch::Sender<bool>) {
    pooled_with(rows, bounds, Arc::new(|_| ()))
}

/// The same; `on_refused` is called with the reason of each refused read.
fn pooled_with(
    rows: usize,
    bounds: Bounds,
    on_refused: OnRefused,
) -> (Server, Arc<Pooled>, watch::Sender<bool>) {
    let mut server = Server::new();
    for minute in 0..rows {
        let open = format!("2024-08-09T{:02}:{:02}:00Z", minute / 60, minute % 60);
        server.bar("a:B", "1m", &open, 1 + minute as i64, BarState::Open);
    }
    server.context.readers = ReaderPool::start(bounds, on_refused).unwrap();
    let (sender, open) = watch::channel(false);
    let pooled = Arc::new(Pooled {
        rows: Arc::clone(&server.rows),
        readers: server.context.readers.clone(),
        snapshots: AtomicUsize::new(0),
        parts: Arc::default(),
        newest: Mutex::new(Weak::<[Vec<Cell>; 0]>::new()),
        open,
    });
    server.context.reader = Arc::<Pooled>::clone(&pooled);
    (server, pooled, sender)
}

#[tokio::test]
async fn reads_are_refused_and_the_process_says_how_it_is() {
    let wait = Duration::from_millis(50);
    let bounds = Bounds { threads: 2, waiting: 1, wait };
    let refused = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&refused);
    let on_refused = Arc::new(move |reason| noted.lock().unwrap().push(reason));
    let (server, _, _open) = pooled_with(1, bounds, on_refused);
    // Both threads read, and go on with that until the gate is open.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let begun = Arc::new(AtomicUsize::new(0));
    let mut blocked = Vec::new();
    for number in 1..=bounds.threads {
        let (readers, gate, own) =
            (server.context.readers.clone(), Arc::clone(&gate), Arc::clone(&begun));
        blocked.push(tokio::spawn(async move {
            let read = move || {
                own.fetch_add(1, Ordering::SeqCst);
                drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
            };
            readers.run(Class::Scan, read).await
        }));
        while begun.load(Ordering::SeqCst) < number {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let running = Running::new(&server, Limits::default()).await;
    let point = || running.ask("GET /v1/candles/a:B?limit=1");
    let (one, other) = tokio::join!(point(), point());
    for answer in [&one, &other] {
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("retry-after: 1") && answer.contains("\"code\":\"overloaded\""));
    }
    assert!([&one, &other].iter().any(|answer| answer.contains("`limits.reads_waiting`")));
    assert!([&one, &other].iter().any(|answer| answer.contains("no reader thread was free")));
    for path in ["/health/live", "/health/ready", "/health"] {
        let answer = running.ask(&format!("GET {path}")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut reasons = refused.lock().unwrap().clone();
    reasons.sort_unstable();
    assert_eq!(reasons, ["full", "waited"]);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    for blocked in blocked {
        assert_eq!(blocked.await.unwrap(), Ok(()));
    }
    let answer = point().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.stopped().await;
}

/// Has room for so many messages, and then for none.
struct RecordingSink {
    room: watch::Sender<usize>,
    received: Mutex<Vec<Value>>,
}

impl ClientSink for RecordingSink {
    fn try_send(&self, message: Message<'_>) -> SendOutcome {
        let mut received = self.received.lock().unwrap();
        if received.len() >= *self.room.borrow() {
            return SendOutcome::Full;
        }
        let mut json = Vec::new();
        message.json(&mut json);
        received.push(serde_json::from_slice(&json).unwrap());
        SendOutcome::Taken
    }

    fn writable(&self) -> WaitFuture<'_> {
        let mut room = self.room.subscribe();
        Box::pin(async move {
            let _ = room.wait_for(|room| self.received.lock().unwrap().len() < *room).await;
        })
    }

    fn closed(&self) -> WaitFuture<'_> {
        Box::pin(pending())
    }
}

fn follow(server: &Server, room: usize) -> Arc<RecordingSink> {
    let recording =
        Arc::new(RecordingSink { room: watch::Sender::new(room), received: Mutex::default() });
    let request = SubscriptionRequest::read(&server.context, view("candles"), &[]).unwrap();
    let sink = Arc::clone(&recording) as Arc<dyn ClientSink>;
    tokio::spawn(Subscriber::new(server.context.clone(), request, "s", sink).run());
    recording
}

/// Waits until it has received so many messages.
async fn received(sink: &RecordingSink, messages: usize) -> Vec<Value> {
    loop {
        let received = sink.received.lock().unwrap().clone();
        if received.len() >= messages {
            return received;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Parts of 250 rows.
#[tokio::test]
async fn followers_share_a_snapshot_and_its_parts() {
    let (server, reader, open) = pooled(600, Bounds::default());
    let subscribers: Vec<_> = (0..300).map(|_| follow(&server, 3)).collect();
    let silent: Vec<_> = (0..20).map(|number| follow(&server, number % 3)).collect();
    while reader.snapshots.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await; // all have begun, on the one thread that there is
    }
    open.send_replace(true);
    let first = received(&subscribers[0], 3).await;
    let parts: Vec<_> = first.iter().map(|part| (&part["part"], &part["last"])).collect();
    assert_eq!(
        parts,
        [(&0.into(), &false.into()), (&1.into(), &false.into()), (&2.into(), &true.into())]
    );
    let rows = first.iter().map(|part| part["rows"].as_array().unwrap().len());
    assert_eq!(rows.collect::<Vec<_>>(), [250, 250, 100]);
    for subscriber in &subscribers {
        assert_eq!(received(subscriber, 3).await, first);
    }
    for (number, subscriber) in silent.iter().enumerate() {
        assert_eq!(received(subscriber, number % 3).await, first[..number % 3]);
    }
    let read = (reader.snapshots.load(Ordering::SeqCst), reader.parts.load(Ordering::SeqCst));
    assert_eq!(read, (1, 3), "snapshots and parts that were read for 320 subscribers");
}

/// Evicted parts are read again, with the same content. A snapshot without subscribers is released, though its parts
#[tokio::test]
async fn parts_that_went_are_made_again() {
    for kept in [0, 1 << 20] {
        let (mut server, reader, open) = pooled(600, Bounds::default());
        server.context.updates = crate::UpdateCache::with_part_bytes(kept);
        let (fast, slow) = (follow(&server, 3), follow(&server, 1));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        open.send_replace(true);
        let (first, _) = (received(&fast, 3).await, received(&slow, 1).await);
        assert!(reader.newest.lock().unwrap().strong_count() > 0, "the slow one needs it");
        slow.room.send_replace(3);
        assert_eq!(received(&slow, 3).await, first);
        let parts = reader.parts.load(Ordering::SeqCst);
        assert!(if kept == 0 { parts > 3 } else { parts == 3 }, "{parts} read, {kept} kept");
        while reader.newest.lock().unwrap().strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
