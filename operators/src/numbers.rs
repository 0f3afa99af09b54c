//! Numbers that bars have beside their prices: one, and all of a bar.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::heap;

/// A floating-point number that is equal, ordered and hashed by its bits, so that it can be a key:
/// `−0` and `+0` differ, and every not-a-number equals itself. Ordered as by [`f64::total_cmp`].
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Reading(pub f64);

/// One number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndicatorValue {
    /// The value, in the unit that the indicator's doc gives.
    pub value: Reading,
    /// Whether the bar is still open, so that the value is a glimpse of what it may become.
    pub peek: bool,
}

/// The numbers of one bar: a slot per output of each indicator of the job, in their order, and whether the bar is
/// open. Shared, for many look at it. Ordered somehow, so that it can be arranged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Numbers(Arc<[Reading]>);

impl Numbers {
    /// Those in `slots`; nothing if all are [`Reading::ABSENT`].
    pub fn new(slots: &[Reading], peek: bool) -> Option<Numbers> {
        let any = slots.iter().any(|slot| slot.is_there());
        // The last reading encodes whether the bar is open.
        let last = Reading(f64::from(u8::from(peek)));
        any.then(|| Numbers(slots.iter().copied().chain([last]).collect()))
    }

    /// All slots; [`Reading::ABSENT`] where there is no number.
    pub fn slots(&self) -> &[Reading] {
        self.0.split_last().map_or(&[], |(_, slots)| slots)
    }

    /// The number in a slot, if there is one.
    pub fn get(&self, slot: usize) -> Option<IndicatorValue> {
        let value = *self.slots().get(slot).filter(|slot| slot.is_there())?;
        Some(IndicatorValue { value, peek: self.is_peek() })
    }

    /// Whether the bar is still open.
    pub fn is_peek(&self) -> bool {
        self.0.last().is_some_and(|last| last.0 != 0.0)
    }

    /// Whether it is made of these.
    pub(crate) fn is(&self, slots: &[Reading], peek: bool) -> bool {
        self.slots() == slots && self.is_peek() == peek
    }

    /// Those in these places, in this order; nothing where there is no place. None if nothing is left.
    pub(crate) fn placed(&self, places: &[Option<usize>]) -> Option<Numbers> {
        let slot = |place: &Option<usize>| place.and_then(|place| self.slots().get(place)).copied();
        let slots = places.iter().map(|place| slot(place).unwrap_or(Reading::ABSENT));
        Numbers::new(&slots.collect::<Vec<_>>(), self.is_peek())
    }

    /// How many bytes the numbers of a bar with so many slots take.
    pub fn bytes_of(slots: usize) -> usize {
        heap::shared_slice::<Reading>(slots + 1)
    }
}

impl Reading {
    /// Watermarks a missing number: a not-a-number that no computation gives, since none is given one.
    pub const ABSENT: Reading = Reading(f64::from_bits(0x7ff8_7469_636b_7765));

    /// Whether this is a number.
    pub fn is_there(self) -> bool {
        self != Reading::ABSENT
    }
}

impl PartialEq for Reading {
    fn eq(&self, other: &Reading) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Reading {}

impl PartialOrd for Reading {
    fn partial_cmp(&self, other: &Reading) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reading {
    fn cmp(&self, other: &Reading) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Reading {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
