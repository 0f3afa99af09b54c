use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use super::*;

/// What reads wait for before they go on.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let (open, opened) = &*self.0;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }
}

fn pool(threads: usize, waiting: usize, wait: Duration) -> ReaderPool {
    ReaderPool::start(Bounds { threads, waiting, wait }, Arc::new(|_| ())).unwrap()
}

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

type Answer = Pin<Box<dyn Future<Output = Result<usize, ReadError>> + Send>>;

/// A read of too many rows for a short one. It has been asked for when this returns.
fn long(pool: &ReaderPool, begun: &Arc<AtomicUsize>, gate: &Gate) -> Answer {
    let (pool, begun, gate) = (pool.clone(), Arc::clone(begun), gate.clone());
    let answer = async move {
        let read = move |allowance: &mut Allowance<'_>| {
            allowance.take(SHORT_ROWS + 1)?;
            let number = begun.fetch_add(1, Ordering::SeqCst);
            gate.pass();
            Ok(number)
        };
        pool.read(Class::Scan, read).await
    };
    asked(Box::pin(answer))
}

/// Lets something be asked for.
fn asked(mut answer: Answer) -> Answer {
    let mut context = Context::from_waker(Waker::noop());
    let polled = answer.as_mut().poll(&mut context);
    match polled {
        Poll::Pending => answer,
        Poll::Ready(answer) => Box::pin(std::future::ready(answer)),
    }
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_short_read_does_not_wait_for_long_ones() {
    let (pool, gate, begun) = (pool(2, 100, LONG), Gate::default(), Arc::default());
    let long: Vec<Answer> = (0..50).map(|_| long(&pool, &begun, &gate)).collect();
    until(|| begun.load(Ordering::SeqCst) == 2).await;
    let short = |allowance: &mut Allowance<'_>| Ok(allowance.take(SHORT_ROWS).map(|()| 7)?);
    assert_eq!(pool.read(Class::Scan, short).await, Ok(7));
    assert_eq!(begun.load(Ordering::SeqCst), 2, "no more than there are threads");
    gate.open();
    let mut numbers = Vec::new();
    for answer in long {
        numbers.push(answer.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_has_no_room_or_waits_too_long_is_refused() {
    let wait = Duration::from_millis(20);
    let refused = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&refused);
    let bounds = Bounds { threads: 1, waiting: 3, wait };
    let pool =
        ReaderPool::start(bounds, Arc::new(move |why| noted.lock().unwrap().push(why))).unwrap();
    let (gate, begun) = (Gate::default(), Arc::default());
    let first = long(&pool, &begun, &gate);
    until(|| begun.load(Ordering::SeqCst) == 1).await;
    // As many as may wait, and one more; who follows is not refused for waiting.
    let work = |class| {
        let pool = pool.clone();
        asked(Box::pin(async move { pool.run(class, || 1).await }))
    };
    let changes: Vec<Answer> = (0..4).map(|_| work(Class::Changes)).collect();
    let scans: Vec<Answer> = (0..4).map(|_| work(Class::Scan)).collect();
    let mut answers = Vec::new();
    for answer in scans {
        answers.push(answer.await);
    }
    let waited = Err(ReadError::Waited { wait });
    let full = Err(ReadError::Full { waiting: 3 });
    assert_eq!(answers, [waited.clone(), waited.clone(), waited, full.clone()]);
    // Those that were refused leave their room to others.
    let mut later = work(Class::Scan);
    let mut context = Context::from_waker(Waker::noop());
    assert!(later.as_mut().poll(&mut context).is_pending());
    let mut reasons = refused.lock().unwrap().clone();
    reasons.sort_unstable();
    assert_eq!(reasons, ["full", "full", "waited", "waited", "waited"]);
    gate.open();
    assert_eq!(first.await, Ok(0), "what has begun is not refused");
    let mut answers = Vec::new();
    for answer in changes {
        answers.push(answer.await);
    }
    assert_eq!(answers, [Ok(1), Ok(1), Ok(1), full]);
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_read() {
    let (pool, gate, begun) = (pool(1, 100, LONG), Gate::default(), Arc::default());
    let first = long(&pool, &begun, &gate);
    until(|| begun.load(Ordering::SeqCst) == 1).await;
    let second = long(&pool, &begun, &gate);
    let third = long(&pool, &begun, &gate);
    drop(second);
    gate.open();
    assert_eq!((first.await, third.await), (Ok(0), Ok(1)));
}

#[tokio::test]
async fn a_panic_ends_one_read_and_not_its_thread() {
    let pool = pool(1, 100, LONG);
    let panics = pool.run::<usize>(Class::Scan, || panic!("a panic of the test"));
    assert_eq!(panics.await, Err(ReadError::Closed));
    assert_eq!(pool.run(Class::Scan, || 1).await, Ok(1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn reads_have_a_lower_priority_and_long_ones_the_lowest() {
    let nice = || rustix::process::getpriority_process(None).unwrap();
    let own = nice();
    let pool = pool(1, 100, LONG);
    let short = pool.read(Class::Scan, move |_| Ok(nice())).await;
    assert_eq!(short, Ok((own + NICE_SERVING).min(19)));
    assert_eq!(pool.run(Class::Scan, nice).await, Ok((own + NICE_LONG_READS).min(19)));
}

#[tokio::test]
async fn point_reads_do_not_wait_for_scans_that_are_tried() {
    let (pool, gate, tried) = (pool(1, 100, LONG), Gate::default(), Arc::new(AtomicUsize::new(0)));
    let scan = || {
        let (pool, gate, tried) = (pool.clone(), gate.clone(), Arc::clone(&tried));
        asked(Box::pin(async move {
            let read = move |_: &mut Allowance<'_>| {
                let number = tried.fetch_add(1, Ordering::SeqCst);
                if number == 0 {
                    gate.pass(); // the others are asked for meanwhile
                }
                Ok(number)
            };
            pool.read(Class::Scan, read).await
        }))
    };
    let scans: Vec<Answer> = (0..50).map(|_| scan()).collect();
    until(|| tried.load(Ordering::SeqCst) == 1).await;
    let (own, reads) = (Arc::clone(&tried), pool.clone());
    let point = asked(Box::pin(async move {
        reads.read(Class::Point, move |_| Ok(own.load(Ordering::SeqCst))).await
    }));
    gate.open();
    assert_eq!(point.await, Ok(1), "after the scan that was being tried, before all others");
    for scan in scans {
        assert!(scan.await.is_ok());
    }
}

/// A read of kind 7 of so many rows, which counts how often it was tried.
fn of_kind(pool: &ReaderPool, rows: usize, tried: &Arc<AtomicUsize>) -> Answer {
    let (pool, tried) = (pool.clone(), Arc::clone(tried));
    asked(Box::pin(async move {
        let read = move |allowance: &mut Allowance<'_>| {
            tried.fetch_add(1, Ordering::SeqCst);
            allowance.take(rows)?;
            Ok(rows)
        };
        pool.read_of_kind(Class::Scan, 7, read).await
    }))
}

#[tokio::test]
async fn what_is_known_to_be_long_is_not_tried_first() {
    let (pool, gate, begun) = (pool(1, 1, LONG), Gate::default(), Arc::default());
    let first = long(&pool, &begun, &gate);
    until(|| begun.load(Ordering::SeqCst) == 1).await;
    let tried = Arc::new(AtomicUsize::new(0));
    let waiting = of_kind(&pool, SHORT_ROWS + 1, &tried);
    until(|| pool.0.0.lock().long.waiting(Class::Scan) == 1).await;
    assert_eq!(tried.load(Ordering::SeqCst), 1);
    let full = Err(ReadError::Full { waiting: 1 });
    assert_eq!(of_kind(&pool, SHORT_ROWS + 1, &tried).await, full);
    assert_eq!(tried.load(Ordering::SeqCst), 1, "one of its kind was long a moment ago");
    let short = |allowance: &mut Allowance<'_>| Ok(allowance.take(1).map(|()| 1)?);
    assert_eq!(pool.read_of_kind(Class::Scan, 8, short).await, Ok(1), "another kind is tried");
    gate.open();
    assert_eq!((first.await, waiting.await), (Ok(0), Ok(SHORT_ROWS + 1)));
    assert_eq!(of_kind(&pool, 1, &tried).await, Ok(1), "whether or not it turns out to be long");
}
