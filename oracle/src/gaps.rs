//! Section *Gaps*: every id that was seen, and the holes between them.

use std::collections::BTreeMap;

use market::{Event, EventTime, Gap, GapKey, IdScope, InstrumentId, Record};

/// Ids of one instrument and contiguous scope, with their times.
type Times = BTreeMap<u64, EventTime>;

/// The ids seen of one instrument.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownIds {
    times: BTreeMap<IdScope, Times>,
    /// By scope and first id.
    merged: BTreeMap<IdScope, BTreeMap<u64, Gap>>,
}

/// The gaps of `records`, all of them taken as accepted, if no bound merges any.
pub fn of_set(records: &[Record]) -> BTreeMap<GapKey, Gap> {
    let mut known: BTreeMap<InstrumentId, KnownIds> = BTreeMap::new();
    for record in records {
        let instrument = record.event.instrument();
        known.entry(instrument).or_default().commit(&[*record], usize::MAX);
    }
    known.iter().flat_map(|(instrument, known)| known.rows(*instrument)).collect()
}

impl KnownIds {
    /// Takes the accepted records of a commit; at most `gaps_max` gaps of a scope stay apart.
    pub(crate) fn commit(&mut self, accepted: &[Record], gaps_max: usize) {
        for (scope, id, time) in accepted.iter().filter_map(|record| id_of(&record.event)) {
            let merged = self.merged.entry(scope).or_default();
            if merged.iter().any(|(first, gap)| *first <= id && id <= gap.last_id) {
                continue;
            }
            let times = self.times.entry(scope).or_default();
            times.entry(id).and_modify(|known| *known = time.min(*known)).or_insert(time);
        }
        for (scope, times) in &mut self.times {
            let merged = self.merged.entry(*scope).or_default();
            while gaps(times, merged).len() > gaps_max {
                let gaps = gaps(times, merged);
                let mut lowest = gaps.iter();
                let (Some((first, low)), Some((_, high))) = (lowest.next(), lowest.next()) else {
                    break; // one gap cannot be merged with another
                };
                times.retain(|id, _| *id < *first || *id > high.last_id);
                merged.retain(|id, _| *id < *first || *id > high.last_id);
                let missing = low.missing + high.missing;
                let (from_time, to_time) = (low.from_time, high.to_time);
                let (first, last_id) = (*first, high.last_id);
                merged.insert(first, Gap { last_id, missing, from_time, to_time });
            }
        }
    }

    /// The rows of all scopes.
    pub(crate) fn rows(&self, instrument: InstrumentId) -> BTreeMap<GapKey, Gap> {
        let none = BTreeMap::new();
        let rows = self.times.iter().flat_map(|(scope, times)| {
            let gaps = gaps(times, self.merged.get(scope).unwrap_or(&none));
            let key = |first_id| GapKey { instrument, scope: *scope, first_id };
            gaps.into_iter().map(move |(first_id, gap)| (key(first_id), gap))
        });
        rows.collect()
    }
}

/// The id that an event carries, if its scope is contiguous and it is an integer.
fn id_of(event: &Event) -> Option<(IdScope, u64, EventTime)> {
    let trade = match event {
        Event::New(trade) => trade,
        Event::Correct { of, with } if *of != with.name() => with,
        Event::Correct { .. } | Event::Cancel { .. } => return None,
    };
    let id = trade.id.integer().filter(|_| trade.scope.is_contiguous())?;
    Some((trade.scope, id, trade.time))
}

/// The gaps between ids, by their first id. A merged one lies between two ids like any other.
fn gaps(times: &Times, merged: &BTreeMap<u64, Gap>) -> BTreeMap<u64, Gap> {
    let mut gaps = BTreeMap::new();
    for ((low, from_time), (high, to_time)) in times.iter().zip(times.iter().skip(1)) {
        if high - low > 1 {
            let (first, last_id) = (low + 1, high - 1);
            let missing = merged.get(&first).map_or(high - low - 1, |gap| gap.missing);
            let (from_time, to_time) = (*from_time, *to_time);
            gaps.insert(first, Gap { last_id, missing, from_time, to_time });
        }
    }
    gaps
}
