//! The few shapes in which changes move through the valuation.

use differential_dataflow::ExchangeData;
use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::trace::{Cursor, Navigable};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::arrange::{Diff, SharedBatch};
use crate::time::Time;

/// Changes of a collection.
pub(super) type Changes<'scope, D> = StreamVec<'scope, Time, (D, Time, Diff)>;

/// What `take` makes of each output of a core: what it puts comes or goes at the commit of the output.
pub(super) fn changes<'scope, O: 'static, D: Clone + 'static>(
    outputs: StreamVec<'scope, Time, O>,
    name: &str,
    mut take: impl FnMut(O, &mut dyn FnMut(D, Diff)) + 'static,
) -> Changes<'scope, D> {
    outputs.unary(Pipeline, name, move |_capability, _info| {
        move |input, output| {
            input.for_each_time(|time, batches| {
                let at = *time.time();
                let mut session = output.session(&time);
                batches.for_each(|batch| {
                    batch.drain(..).for_each(|outputs| {
                        take(outputs, &mut |data, diff| session.give((data, at, diff)));
                    });
                });
            });
        }
    })
}

/// What `row` makes of the rows of an arrangement, as net changes: rows of the arrangement that make equal
/// ones cancel. Each change travels at its own commit.
pub(super) fn net<'scope, K: ExchangeData, V: ExchangeData, D: ExchangeData>(
    batches: StreamVec<'scope, Time, SharedBatch<K, V>>,
    name: &str,
    mut row: impl FnMut(&K, &V) -> Option<D> + 'static,
) -> Changes<'scope, D> {
    batches.unary(Pipeline, name, move |_capability, _info| {
        let mut updates: Vec<(D, Time, Diff)> = Vec::new();
        move |input, output| {
            input.for_each(|capability, batches| {
                for batch in batches.drain(..) {
                    let mut cursor = batch.cursor();
                    while let Some(key) = cursor.get_key(&batch) {
                        while let Some(value) = cursor.get_val(&batch) {
                            if let Some(row) = row(key, value) {
                                cursor.map_times(&batch, |time, diff| {
                                    updates.push((row.clone(), *time, *diff));
                                });
                            }
                            cursor.step_val(&batch);
                        }
                        cursor.step_key(&batch);
                    }
                    consolidate_updates(&mut updates);
                }
                updates.sort_by_key(|(_, time, _)| *time);
                while let Some((_, time, _)) = updates.first() {
                    let time = *time;
                    let of_time = updates.partition_point(|(_, other, _)| *other == time);
                    let capability = capability.delayed(&time, 0);
                    output.session(&capability).give_iterator(updates.drain(..of_time));
                }
            });
        }
    })
}
