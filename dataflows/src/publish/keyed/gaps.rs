//! The rows of the view `gaps`.

use market::{Gap, GapKey, IdScope, InstrumentId};

use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::GapRow;
use rows::{Cell, Dimension, Labels, Row};

/// The view `gaps`.
pub struct Gaps;

impl Keyed for Gaps {
    type Key = GapKey;
    type Value = Gap;
    const VIEW: &'static str = "gaps";
    const ORDER: &'static [Dimension] = &[Dimension::Instrument];

    fn prefix(key: &GapKey) -> KeyPrefix {
        [key.instrument.0, 0, 0]
    }

    fn lowest([instrument, ..]: KeyPrefix) -> GapKey {
        GapKey { instrument: InstrumentId(instrument), scope: IdScope(0), first_id: 0 }
    }

    fn cells(key: &GapKey, gap: &Gap, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        GapRow { key, gap }.cells(into);
    }
}
