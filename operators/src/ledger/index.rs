//! Finds the row or slot of an id: a hash index of numbers without removal of single entries.
//!
//! It keeps numbers of four bytes and of each hash seven bits. The owner knows what a number refers to, and whether it
//! still refers to anything. So whole bars of ids are forgotten by letting their rows go: what is
//! left of them here finds nothing, and is swept out when its table is rebuilt.
//!
//! No step is long: ids are spread over tables of some thousand, and where there are more, *one* table is
//! split in two with each id that comes (linear hashing), so nothing is ever rehashed as a whole. Within a
//! table, eight numbers share a bucket whose seven bits are compared at once. Integers that follow each other
//! share buckets by fours, so trades in order find them in the cache.

use serde::{Deserialize, Serialize};

/// How many numbers a table holds on average before one is split.
const TABLE: usize = 1_024;
/// How many numbers a bucket holds.
const BUCKET: usize = 8;

/// Numbers by the hash of what they refer to.
#[derive(Clone, Debug)]
pub(super) struct Index {
    tables: Vec<Table>,
    /// How many numbers there are, stale ones included.
    len: usize,
    buckets: usize,
}

#[derive(Clone, Debug, Default)]
struct Table {
    buckets: Box<[Bucket]>,
    len: u32,
}

/// Of each number seven bits of its hash, with the highest bit set; 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    tags: u64,
    numbers: [u32; BUCKET],
}

/// The hash of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hash {
    /// Where it goes.
    place: u64,
    tag: u8,
}

impl Hash {
    /// Of a number in an id and a salt that distinguishes ids of that number. Numbers that follow each other are
    /// placed by fours, if `counted`.
    pub(super) fn of(number: u64, salt: u64, counted: bool) -> Hash {
        let scattered = mix(number ^ salt);
        let place = if counted { mix((number >> 2) ^ salt) } else { scattered };
        Hash { place, tag: (scattered >> 57) as u8 | 0x80 }
    }

    /// Which of so many tables.
    fn table(self, tables: usize) -> usize {
        let bits = self.place >> 32;
        let many = tables.next_power_of_two() as u64;
        let table = bits & (many - 1);
        // Of the tables of this round some are not split yet.
        (if table < tables as u64 { table } else { table & (many / 2 - 1) }) as usize
    }

    /// Which of so many buckets: 32 bits of the hash as a part of one.
    fn bucket(self, buckets: usize) -> usize {
        (((self.place & 0xffff_ffff) * buckets as u64) >> 32) as usize
    }
}

/// A fast hash of all bits: by a multiplication whose two halves are put together.
fn mix(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    let folded = (product as u64) ^ (product >> 64) as u64;
    folded ^ (folded >> 29)
}

impl Default for Index {
    fn default() -> Index {
        Index { tables: vec![Table::default()], len: 0, buckets: 0 }
    }
}

impl Index {
    /// The first number under this hash that is the right one.
    pub(super) fn find(&self, hash: Hash, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let table = &self.tables[hash.table(self.tables.len())];
        table.find(hash, is_it).map(|(bucket, at)| table.buckets[bucket].numbers[at])
    }

    /// Puts a number in the place of another one under this hash; false if it is not there.
    pub(super) fn replace(&mut self, hash: Hash, old: u32, new: u32) -> bool {
        let table = hash.table(self.tables.len());
        let table = &mut self.tables[table];
        let found = table.find(hash, |number| number == old);
        if let Some((bucket, at)) = found {
            table.buckets[bucket].numbers[at] = new;
        }
        found.is_some()
    }

    /// Adds a number. `hash_of` returns the hash of a number, if it still refers to anything.
    pub(super) fn insert(
        &mut self,
        hash: Hash,
        number: u32,
        hash_of: impl Fn(u32) -> Option<Hash>,
    ) {
        if self.len >= TABLE * self.tables.len() {
            self.split(&hash_of);
        }
        let table = hash.table(self.tables.len());
        let table = &mut self.tables[table];
        if table.is_full() {
            let (len, buckets) = (table.len as usize, table.buckets.len());
            let live = table.live(&hash_of);
            *table = Table::of(&live);
            self.len -= len - live.len();
            self.buckets = self.buckets - buckets + table.buckets.len();
        }
        table.put(hash, number);
        self.len += 1;
    }

    /// Gives half of one table to a new one, and sweeps both.
    fn split(&mut self, hash_of: &impl Fn(u32) -> Option<Hash>) {
        let tables = self.tables.len() + 1;
        let split = self.tables.len() - tables.next_power_of_two() / 2;
        let old = std::mem::take(&mut self.tables[split]);
        let live = old.live(hash_of);
        let (stay, go): (Vec<_>, Vec<_>) =
            live.iter().partition(|(hash, _)| hash.table(tables) == split);
        let (stay, go) = (Table::of(&stay), Table::of(&go));
        self.len -= old.len as usize - live.len();
        self.buckets = self.buckets - old.buckets.len() + stay.buckets.len() + go.buckets.len();
        self.tables[split] = stay;
        self.tables.push(go);
    }

    /// How many bytes it retains.
    pub(super) fn bytes(&self) -> usize {
        self.buckets * size_of::<Bucket>() + self.tables.capacity() * size_of::<Table>()
    }
}

impl Table {
    /// A table of these numbers, with room for half as many again: it is made anew about twice before it is
    /// split, and holds seven bytes a number on average.
    fn of(live: &[(Hash, u32)]) -> Table {
        let buckets = (live.len() * 3 / 2 + BUCKET).div_ceil(BUCKET);
        let mut table =
            Table { buckets: vec![Bucket::default(); buckets].into_boxed_slice(), len: 0 };
        live.iter().for_each(|(hash, number)| table.put(*hash, *number));
        table
    }

    /// Seven of eight places are taken: another one would make searches long.
    fn is_full(&self) -> bool {
        (self.len as usize + 1) * 8 > self.buckets.len() * BUCKET * 7
    }

    fn find(&self, hash: Hash, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, usize)> {
        let mut bucket = hash.bucket(self.buckets.len());
        for _ in 0..self.buckets.len() {
            let Bucket { tags, numbers } = self.buckets.get(bucket)?;
            let mut same = equal_bytes(*tags, hash.tag);
            while same != 0 {
                let at = same.trailing_zeros() as usize / 8;
                if is_it(numbers[at]) {
                    return Some((bucket, at));
                }
                same &= same - 1;
            }
            if has_room(*tags) {
                return None;
            }
            bucket = (bucket + 1) % self.buckets.len();
        }
        None
    }

    /// Takes a number in; there must be room.
    fn put(&mut self, hash: Hash, number: u32) {
        let mut at = hash.bucket(self.buckets.len());
        while !has_room(self.buckets[at].tags) {
            at = (at + 1) % self.buckets.len();
        }
        let bucket = &mut self.buckets[at];
        let free = (!bucket.tags & HIGHEST).trailing_zeros() as usize / 8;
        bucket.tags |= u64::from(hash.tag) << (8 * free);
        bucket.numbers[free] = number;
        self.len += 1;
    }

    /// The numbers that still refer to something under the hash that they were added with.
    fn live(&self, hash_of: &impl Fn(u32) -> Option<Hash>) -> Vec<(Hash, u32)> {
        let mut live = Vec::with_capacity(self.len as usize);
        for bucket in &self.buckets {
            let taken = (0..BUCKET).map(|at| ((bucket.tags >> (8 * at)) as u8, bucket.numbers[at]));
            live.extend(taken.filter(|(tag, _)| *tag != 0).filter_map(|(tag, number)| {
                // A number that was reused has another hash, but for one in 128.
                hash_of(number).filter(|hash| hash.tag == tag).map(|hash| (hash, number))
            }));
        }
        live
    }
}

const HIGHEST: u64 = 0x8080_8080_8080_8080;

fn has_room(tags: u64) -> bool {
    tags & HIGHEST != HIGHEST
}

/// The highest bit of every byte of `tags` that is `tag`, and perhaps of some above it that is not.
fn equal_bytes(tags: u64, tag: u8) -> u64 {
    let differ = tags ^ (u64::from(tag) * 0x0101_0101_0101_0101);
    differ.wrapping_sub(0x0101_0101_0101_0101) & !differ & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    proptest! {
        /// Ids come and whole ranges of them are forgotten; numbers are given out anew.
        #[test]
        fn what_stands_for_something_is_found_and_nothing_else(
            steps in prop::collection::vec((any::<bool>(), 0..3_000_u64, 1..400_u64), 1..60),
            counted: bool,
        ) {
            let hash = |id: u64| Hash::of(id, 7, counted);
            let mut index = Index::default();
            let mut ids: Vec<Option<u64>> = Vec::new();
            let mut free: Vec<u32> = Vec::new();
            let mut numbers: BTreeMap<u64, u32> = BTreeMap::new();
            for (come, first, count) in steps {
                for id in first..first + count {
                    if !come {
                        if let Some(number) = numbers.remove(&id) {
                            ids[number as usize] = None;
                            free.push(number);
                        }
                    } else if let Entry::Vacant(entry) = numbers.entry(id) {
                        let number = free.pop().unwrap_or(ids.len() as u32);
                        ids.resize(ids.len().max(number as usize + 1), None);
                        ids[number as usize] = Some(id);
                        index.insert(hash(id), number, |n| ids[n as usize].map(hash));
                        entry.insert(number);
                    }
                }
                let find = |id| index.find(hash(id), |n| ids[n as usize] == Some(id));
                for id in 0..3_400 {
                    prop_assert_eq!(find(id), numbers.get(&id).copied());
                }
            }
        }
    }

    #[test]
    fn tables_stay_small_and_full() {
        for counted in [false, true] {
            let mut index = Index::default();
            let hash = |number: u32| Hash::of(u64::from(number), 0, counted);
            for number in 0..300_000 {
                index.insert(hash(number), number, |n| Some(hash(n)));
            }
            let largest = index.tables.iter().map(|table| table.buckets.len() * BUCKET).max();
            assert!(largest.unwrap() < 8 * TABLE, "no step is long: {largest:?}");
            let per_id = index.bytes() as f64 / 300_000.0;
            assert!(per_id < 9.5, "{per_id} bytes per id");
            assert!((0..300_000).all(|n| index.find(hash(n), |found| found == n) == Some(n)));
        }
    }
}
