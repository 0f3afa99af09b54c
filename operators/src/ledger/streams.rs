//! What many rows have in common, stored once: the source partition, and the scope and kind of the ids.

use std::collections::BTreeMap;

use market::{IdScope, NameOrder, Origin, PartitionId, SourceId, TradeId};
use serde::{Deserialize, Serialize};

use super::index::Hash;

/// A trade's id within its instrument.
pub(super) type Id = (IdScope, TradeId);

/// Part of the origin and of the id of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stream {
    rank: u8,
    order: NameOrder,
    source: SourceId,
    partition: PartitionId,
    scope: IdScope,
    kind: Kind,
}

/// What the number in an id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    Number,
    Text,
    Position,
    OfDay,
}

/// The streams of one instrument, by number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Streams {
    list: Vec<Stream>,
    numbers: BTreeMap<Stream, u16>,
    /// The one last asked for.
    last: u16,
}

impl Kind {
    /// An id in parts.
    pub(super) fn of(id: TradeId) -> (Kind, u64) {
        match id {
            TradeId::Number(number) => (Kind::Number, number),
            TradeId::Text(hash) => (Kind::Text, hash),
            TradeId::Position(position) => (Kind::Position, position),
            TradeId::OfDay(packed) => (Kind::OfDay, packed),
        }
    }

    /// The id of these parts.
    pub(super) fn id(self, number: u64) -> TradeId {
        match self {
            Kind::Number => TradeId::Number(number),
            Kind::Text => TradeId::Text(number),
            Kind::Position => TradeId::Position(number),
            Kind::OfDay => TradeId::OfDay(number),
        }
    }
}

/// The hash of an id.
pub(super) fn hash((scope, id): Id) -> Hash {
    let (kind, number) = Kind::of(id);
    let salt = u64::from(scope.0) << 32 | (kind as u64) << 30;
    Hash::of(number, salt, kind != Kind::Text)
}

impl Stream {
    fn of((scope, id): Id, origin: Origin) -> Stream {
        let Origin { rank, order, source, partition, .. } = origin;
        Stream { rank, order, source, partition, scope, kind: Kind::of(id).0 }
    }

    /// The id of this number.
    pub(super) fn id(&self, number: u64) -> Id {
        (self.scope, self.kind.id(number))
    }

    /// The origin at this position.
    pub(super) fn origin(&self, position: u64) -> Origin {
        let Stream { rank, order, source, partition, .. } = *self;
        Origin { rank, order, source, partition, position }
    }
}

impl Streams {
    /// The number of the stream of an id that came from an origin; none if there are too many.
    pub(super) fn number(&mut self, id: Id, origin: Origin) -> Option<u16> {
        let stream = Stream::of(id, origin);
        if self.list.get(usize::from(self.last)) == Some(&stream) {
            return Some(self.last);
        }
        let next = u16::try_from(self.list.len()).ok();
        let number = match self.numbers.get(&stream) {
            Some(number) => *number,
            None => {
                let next = next?;
                self.numbers.insert(stream, next);
                self.list.push(stream);
                next
            }
        };
        self.last = number;
        Some(number)
    }

    /// The stream of this number.
    pub(super) fn get(&self, number: u16) -> Option<&Stream> {
        self.list.get(usize::from(number))
    }

    /// About how many bytes they retain.
    pub(super) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Stream>()
            + self.numbers.len() * size_of::<(Stream, u16)>() * 3 / 2
    }
}
