//! The sources of account events.

use market::{AccountEvent, AccountRecord, NameOrder, Origin, PartitionId, SourceId};

use crate::prng::Prng;

/// All of them, of different ranks or not.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    prng: Prng,
    /// Rank and next positions of the partitions of each source.
    sources: Vec<(u8, [u64; 2])>,
}

impl Sources {
    pub(super) fn cast(seed: u64, count: u8) -> Sources {
        let mut prng = Prng::new(seed);
        let count = count.max(1);
        let ranks = (0..count).map(|_| prng.below(u64::from(count)) as u8);
        let sources = ranks.map(|rank| (rank, [0, 0])).collect();
        Sources { prng, sources }
    }

    /// The event as reported by one of them.
    pub(super) fn speak(&mut self, event: AccountEvent) -> AccountRecord {
        let source = self.prng.index(self.sources.len());
        // Names stand in another order than numbers.
        let order = NameOrder((self.sources.len() - source) as u32);
        let partition = self.prng.index(2);
        let (rank, positions) = &mut self.sources[source];
        let position = positions[partition];
        positions[partition] += 1 + self.prng.below(3);
        let (source, partition) = (SourceId(source as u8), PartitionId(partition as u16));
        let origin = Origin { rank: *rank, order, source, partition, position };
        AccountRecord { origin, event }
    }
}
