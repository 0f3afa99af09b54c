//! How many bytes of memory things take on the heap: by their capacity and by what the allocator adds, not by their
//! number alone. Many allocations here are small, and of these the allocator adds a fifth and more.

/// What the allocator gives out for so many bytes: it adds a word and rounds up to multiples of 16, at least 32. So does
/// that of the GNU C library, and others come close.
pub const fn allocated(bytes: usize) -> usize {
    const WORD: usize = 8;
    const LEAST: usize = 32;
    match bytes {
        0 => 0,
        bytes if bytes + WORD <= LEAST => LEAST,
        bytes => (bytes + WORD).next_multiple_of(16),
    }
}

/// A vector with room for so many elements, or a double-ended queue.
pub const fn vec<T>(capacity: usize) -> usize {
    allocated(capacity * size_of::<T>())
}

/// A value in an `Arc` of its own.
pub const fn shared<T>() -> usize {
    allocated(size_of::<T>() + REFERENCES)
}

/// A slice in an `Arc` of its own.
pub const fn shared_slice<T>(len: usize) -> usize {
    allocated(len * size_of::<T>() + REFERENCES)
}

/// The two counts of references beside a shared value.
const REFERENCES: usize = 2 * size_of::<usize>();

/// A B-tree of so many entries. Its nodes have room for eleven; keys that come in ascending order leave them with seven
/// on average, and those in other orders with as many or a few more.
pub const fn btree<K, V>(entries: usize) -> usize {
    const ROOM: usize = 11;
    const FILLED: usize = 7;
    if entries == 0 {
        return 0;
    }
    let leaf = ROOM * (size_of::<K>() + size_of::<V>()) + 2 * size_of::<usize>();
    let inner = leaf + (ROOM + 1) * size_of::<usize>();
    let leaves = if entries <= ROOM { 1 } else { entries.div_ceil(FILLED) };
    let inners = if leaves == 1 { 0 } else { leaves.div_ceil(FILLED) };
    leaves * allocated(leaf) + inners * allocated(inner)
}

/// What an entry adds to a large B-tree.
pub const fn btree_entry<K, V>() -> usize {
    const MANY: usize = 7 * 7 * 64;
    btree::<K, V>(MANY) / MANY
}

/// A hash table of so many entries: it has a power of two of places, at most seven eighths of them taken.
pub const fn hash<K, V>(entries: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    let places = (entries * 8).div_ceil(7).next_power_of_two();
    allocated(places * (size_of::<K>() + size_of::<V>() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocator_adds_a_word_and_rounds_up() {
        assert_eq!([0, 1, 24, 25, 40, 41].map(allocated), [0, 32, 32, 48, 48, 64]);
        assert_eq!(vec::<u64>(4), allocated(32));
        assert_eq!(shared::<[u64; 2]>(), allocated(32));
    }

    #[test]
    fn trees_and_tables_grow_with_their_entries() {
        assert_eq!(btree::<u64, u64>(0), 0);
        assert_eq!(btree::<u64, u64>(1), btree::<u64, u64>(11));
        let each = btree::<u64, u64>(7_000) as f64 / 7_000.0;
        assert!((24.0..36.0).contains(&each), "{each}");
        assert!(hash::<u64, u64>(8) < hash::<u64, u64>(15));
    }
}
