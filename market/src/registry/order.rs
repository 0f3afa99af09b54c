//! The order of names: places for names, with room for names that come in between later.

use super::RegistryError;
use crate::id::NameOrder;

/// Between the ends of the order and the names beside them. There are 64 names at most, so that the ends always have
/// room for all of them, whichever names come.
const STEP: u32 = 1 << 25;

/// The places of all `names`, of which the first have `known` places.
pub(super) fn extended(
    names: &[String],
    known: &[NameOrder],
) -> Result<Vec<NameOrder>, RegistryError> {
    let mut sorted: Vec<usize> = (0..names.len()).collect();
    sorted.sort_by_key(|number| &names[*number]);
    let mut orders = known.to_vec();
    orders.resize(names.len(), NameOrder::default());
    let mut before: Option<usize> = None;
    for run in sorted.chunk_by(|a, b| (*a < known.len()) == (*b < known.len())) {
        if run[0] < known.len() {
            before = run.last().copied();
            continue;
        }
        let after = sorted.iter().skip_while(|number| *number != &run[run.len() - 1]).nth(1);
        let count = run.len() as u32; // a job has 64 sources at most
        let place = |at: u32| match (before.map(|b| orders[b].0), after.map(|a| orders[*a].0)) {
            (None, None) => (1 << 31) + at * STEP,
            (Some(before), None) => before + (at + 1) * STEP,
            (None, Some(after)) => after - (count - at) * STEP,
            (Some(before), Some(after)) => {
                let share = u64::from(after - before) * u64::from(at + 1) / u64::from(count + 1);
                before + share as u32 // less than the room between both
            }
        };
        let places: Vec<u32> = (0..count).map(place).collect();
        if let (Some(before), Some(after)) = (before, after)
            && after_each(orders[before].0, &places).is_none_or(|last| last >= orders[*after].0)
        {
            return Err(RegistryError::NoRoom {
                name: names[run[0]].clone(),
                before: names[before].clone(),
                after: names[*after].clone(),
            });
        }
        run.iter().zip(places).for_each(|(number, place)| orders[*number] = NameOrder(place));
        before = run.last().copied();
    }
    Ok(orders)
}

/// The last of some places, if each is after the one before it.
fn after_each(first: u32, places: &[u32]) -> Option<u32> {
    places.iter().try_fold(first, |before, place| (*place > before).then_some(*place))
}
