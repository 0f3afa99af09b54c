//! The bridge into timely: one commit is one delivery per worker.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};

use market::Record;
use operators::CommitContext;
use operators::keyed::Time;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, StreamVec};
use timely::scheduling::SyncActivator;

/// A commit's part for one worker.
pub struct Delivery {
    /// The commit.
    pub context: Arc<CommitContext>,
    /// Its records on this worker.
    pub records: Vec<Record>,
}

/// The ingest thread's end of a worker's feed. Dropping it ends the feed.
pub struct FeedSender {
    /// None only while it is dropped.
    deliveries: Option<SyncSender<Delivery>>,
    activator: Arc<Mutex<Option<SyncActivator>>>,
}

impl FeedSender {
    /// A sender for the worker that takes `activator`'s place when its dataflow is built.
    pub fn new(
        deliveries: SyncSender<Delivery>,
        activator: Arc<Mutex<Option<SyncActivator>>>,
    ) -> FeedSender {
        FeedSender { deliveries: Some(deliveries), activator }
    }

    /// Sends a delivery; false if the worker is gone.
    pub fn send(&self, delivery: Delivery) -> bool {
        let sent = self.deliveries.as_ref().is_some_and(|feed| feed.send(delivery).is_ok());
        self.wake();
        sent
    }

    fn wake(&self) {
        if let Some(activator) = &*self.activator.lock().unwrap_or_else(PoisonError::into_inner) {
            // Fails only if the worker is gone, which the next send reports.
            let _ = activator.activate();
        }
    }
}

impl Drop for FeedSender {
    fn drop(&mut self) {
        // Closed first, so that the woken operator finds it closed.
        self.deliveries = None;
        self.wake();
    }
}

/// How many deliveries an activation passes on before it lets the rest of the dataflow run.
const FUEL: usize = 16;

/// A source of contexts and records that passes on deliveries in the order of their commits.
///
/// Holds the capability of the next commit: when a delivery has been passed on, its commit is closed.
pub fn feed<'scope>(
    scope: Scope<'scope, Time>,
    deliveries: Receiver<Delivery>,
    activator: &Mutex<Option<SyncActivator>>,
) -> (StreamVec<'scope, Time, Arc<CommitContext>>, StreamVec<'scope, Time, Record>) {
    let mut builder = OperatorBuilder::new("Feed".to_owned(), scope);
    let info = builder.operator_info();
    let (contexts_out, contexts) = builder.new_output::<Vec<Arc<CommitContext>>>();
    let (records_out, records) = builder.new_output::<Vec<Record>>();
    let mut contexts_out = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(contexts_out);
    let mut records_out = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(records_out);

    *activator.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(scope.worker().sync_activator_for(info.address.to_vec()));
    let again = scope.activator_for(info.address);

    builder.build(move |capabilities| {
        let mut capabilities = Some(capabilities); // one per output, in order
        move |_frontiers| {
            let Some([for_contexts, for_records]) = capabilities.as_deref_mut() else { return };
            let (mut contexts_out, mut records_out) =
                (contexts_out.activate(), records_out.activate());
            for _ in 0..FUEL {
                match deliveries.try_recv() {
                    Ok(Delivery { context, mut records }) => {
                        let time = context.commit.0;
                        for_contexts.downgrade(&time);
                        for_records.downgrade(&time);
                        if !records.is_empty() {
                            records_out.session(&*for_records).give_container(&mut records);
                        }
                        contexts_out.session(&*for_contexts).give(context);
                        for_contexts.downgrade(&(time + 1));
                        for_records.downgrade(&(time + 1));
                    }
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Disconnected) => {
                        capabilities = None;
                        return;
                    }
                }
            }
            again.activate();
        }
    });
    (contexts, records)
}
