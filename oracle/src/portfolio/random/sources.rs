//! The sources of account events.

use market::{AccountEvent, AccountRecord, Origin, SourceId};

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
        let partition = self.prng.index(2);
        let (rank, positions) = &mut self.sources[source];
        let position = positions[partition];
        positions[partition] += 1 + self.prng.below(3);
        let source = SourceId(source as u8);
        let origin = Origin { rank: *rank, source, partition: partition as u32, position };
        AccountRecord { origin, event }
    }
}
