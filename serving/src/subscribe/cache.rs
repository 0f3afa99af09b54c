//! A cache of encoded messages, bounded in number and bytes.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::OnceCell;

/// Values by key. The first task that needs a value makes it. The oldest values are evicted, and made again on demand.
pub(super) struct Cache<K, V> {
    made: HashMap<K, Made<V>>,
    /// Oldest first.
    order: VecDeque<K>,
    bytes: usize,
    bounds: CacheBounds,
}

/// The bounds of a cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheBounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

struct Made<V> {
    cell: Arc<OnceCell<V>>,
    bytes: usize,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    pub(super) fn new(bounds: CacheBounds) -> Cache<K, V> {
        Cache { made: HashMap::new(), order: VecDeque::new(), bytes: 0, bounds }
    }

    /// The cell of a key; the caller fills it if it is empty.
    pub(super) fn cell(&mut self, key: &K) -> Arc<OnceCell<V>> {
        if let Some(made) = self.made.get(key) {
            return Arc::clone(&made.cell);
        }
        let cell = Arc::default();
        self.made.insert(key.clone(), Made { cell: Arc::clone(&cell), bytes: 0 });
        self.order.push_back(key.clone());
        self.forget();
        cell
    }

    /// The bytes of all values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records the bytes of a key's value.
    pub(super) fn weigh(&mut self, key: &K, bytes: usize) {
        if let Some(made) = self.made.get_mut(key) {
            self.bytes = self.bytes - made.bytes + bytes;
            made.bytes = bytes;
            self.forget();
        }
    }

    /// Evicts all keys that `keep` rejects.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.order.retain(&keep);
        let bytes = &mut self.bytes;
        self.made.retain(|key, made| {
            let kept = keep(key);
            *bytes -= if kept { 0 } else { made.bytes };
            kept
        });
    }

    /// Evicts the oldest values beyond the bounds.
    fn forget(&mut self) {
        while self.bytes > self.bounds.bytes || self.order.len() > self.bounds.entries {
            let Some(key) = self.order.pop_front() else { return };
            self.bytes -= self.made.remove(&key).map_or(0, |made| made.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go() {
        let mut cache: Cache<u8, u8> = Cache::new(CacheBounds { entries: 3, bytes: 10 });
        let mut put = |key: u8, bytes| {
            let cell = cache.cell(&key);
            let new = cell.set(key).is_ok();
            cache.weigh(&key, bytes);
            (new, cache.bytes, cache.made.len())
        };
        assert_eq!(put(1, 4), (true, 4, 1));
        assert_eq!(put(1, 4), (false, 4, 1));
        assert_eq!(put(2, 6), (true, 10, 2));
        assert_eq!(put(3, 1), (true, 7, 2), "1 is gone");
        assert_eq!((put(4, 1), put(5, 1)), ((true, 8, 3), (true, 3, 3)), "2 is gone");
        assert_eq!(put(1, 11), (true, 0, 0), "too large by itself");
        for (key, bytes) in [(6, 3), (7, 4)] {
            put(key, bytes);
        }
        cache.retain(|key| *key != 6);
        assert_eq!((cache.bytes, cache.made.len(), cache.order.len()), (4, 1, 1));
    }
}
