//! The cuts of reads that are not at their end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use rows::Cut;

/// The most cuts. A further one replaces that which was not used for the longest time.
const MOST: usize = 32;
/// A cut that nobody has used for so long is let go.
const IDLE: Duration = Duration::from_secs(60);

/// Cuts by number. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct OpenCuts(Arc<Mutex<Cuts>>);

#[derive(Default)]
struct Cuts {
    next: u64,
    /// The one that was used last is the last.
    open: Vec<OpenCut>,
}

struct OpenCut {
    number: u64,
    cut: Arc<dyn Cut>,
    used: Instant,
}

impl OpenCuts {
    /// Keeps a cut, and returns its number. It must be called on a runtime, which lets go of the cut later.
    pub(crate) fn keep(&self, cut: Arc<dyn Cut>) -> u64 {
        let mut cuts = self.lock();
        if cuts.open.len() >= MOST {
            cuts.open.remove(0);
        }
        let number = cuts.next;
        cuts.next += 1;
        cuts.open.push(OpenCut { number, cut, used: Instant::now() });
        drop(cuts);
        tokio::spawn(self.clone().let_go(number));
        number
    }

    /// The cut of a number; none if it is no longer kept.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<dyn Cut>> {
        let mut cuts = self.lock();
        let at = cuts.open.iter().position(|open| open.number == number)?;
        let mut open = cuts.open.remove(at);
        open.used = Instant::now();
        let cut = Arc::clone(&open.cut);
        cuts.open.push(open);
        Some(cut)
    }

    /// Lets go of a cut once it was idle for long enough.
    async fn let_go(self, number: u64) {
        loop {
            let used = self.lock().open.iter().find(|open| open.number == number).map(|o| o.used);
            let Some(used) = used else { return };
            if used.elapsed() >= IDLE {
                self.lock().open.retain(|open| open.number != number || open.used != used);
                continue;
            }
            sleep_until(used + IDLE).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cuts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use market::EventTime;
    use rows::{CandlePage, Frontier, Page, ReadError, ReadFuture, Scan};

    use super::*;

    struct Nothing;

    impl Cut for Nothing {
        fn frontier(&self) -> Frontier {
            Frontier { commit: None, at: EventTime::NEVER }
        }

        fn scan(&self, _: Scan) -> ReadFuture<'static, Page> {
            Box::pin(async { Err(ReadError::Closed) })
        }

        fn newest(&self, scan: Scan) -> ReadFuture<'static, Page> {
            self.scan(scan)
        }

        fn candles(&self, _: Scan) -> ReadFuture<'static, CandlePage> {
            Box::pin(async { Err(ReadError::Closed) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_stays_and_the_rest_goes() {
        let cuts = OpenCuts::default();
        let first = cuts.keep(Arc::new(Nothing));
        let others: Vec<u64> = (1..MOST).map(|_| cuts.keep(Arc::new(Nothing))).collect();
        assert!(cuts.get(first).is_some());
        let further = cuts.keep(Arc::new(Nothing));
        assert!(cuts.get(others[0]).is_none(), "it was not used for the longest time");
        assert!(cuts.get(first).is_some() && cuts.get(further).is_some());
        tokio::time::sleep(IDLE / 2).await;
        assert!(cuts.get(first).is_some());
        tokio::time::sleep(IDLE / 2 + Duration::from_millis(2)).await;
        assert!(cuts.get(first).is_some() && cuts.get(further).is_none());
        tokio::time::sleep(IDLE + Duration::from_millis(2)).await;
        assert!(cuts.lock().open.is_empty());
    }
}
