//! The bridge into timely: one commit is one delivery per worker.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};

use market::{AccountRecord, Record};
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
    /// What it says of accounts on this worker.
    pub accounts: Vec<AccountRecord>,
}

/// The streams of a worker's feed: commits, what they say of trades, what they say of accounts.
pub type Fed<'scope> = (
    StreamVec<'scope, Time, Arc<CommitContext>>,
    StreamVec<'scope, Time, Record>,
    StreamVec<'scope, Time, AccountRecord>,
);

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

/// How many deliveries an activation sends before it lets the rest of the dataflow run.
const FUEL: usize = 16;

/// A source of contexts, records and account records that sends deliveries in the order of their commits.
///
/// Holds the capability of the next commit: when a delivery has been sent, its commit is closed.
pub fn feed<'scope>(
    scope: Scope<'scope, Time>,
    deliveries: Receiver<Delivery>,
    activator: &Mutex<Option<SyncActivator>>,
) -> Fed<'scope> {
    let mut builder = OperatorBuilder::new("Feed".to_owned(), scope);
    let info = builder.operator_info();
    let (contexts_out, contexts) = builder.new_output::<Vec<Arc<CommitContext>>>();
    let (records_out, records) = builder.new_output::<Vec<Record>>();
    let (accounts_out, accounts) = builder.new_output::<Vec<AccountRecord>>();
    let mut contexts_out = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(contexts_out);
    let mut records_out = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(records_out);
    let mut accounts_out = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(accounts_out);

    *activator.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(scope.worker().sync_activator_for(info.address.to_vec()));
    let again = scope.activator_for(info.address);

    builder.build(move |capabilities| {
        let mut capabilities = Some(capabilities); // one per output, in order
        move |_frontiers| {
            let Some([for_contexts, for_records, for_accounts]) = capabilities.as_deref_mut()
            else {
                return;
            };
            let mut contexts_out = contexts_out.activate();
            let mut records_out = records_out.activate();
            let mut accounts_out = accounts_out.activate();
            for _ in 0..FUEL {
                match deliveries.try_recv() {
                    Ok(Delivery { context, mut records, mut accounts }) => {
                        let time = context.commit.0;
                        for_contexts.downgrade(&time);
                        for_records.downgrade(&time);
                        for_accounts.downgrade(&time);
                        if !records.is_empty() {
                            records_out.session(&*for_records).give_container(&mut records);
                        }
                        if !accounts.is_empty() {
                            accounts_out.session(&*for_accounts).give_container(&mut accounts);
                        }
                        contexts_out.session(&*for_contexts).give(context);
                        for_contexts.downgrade(&(time + 1));
                        for_records.downgrade(&(time + 1));
                        for_accounts.downgrade(&(time + 1));
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
    (contexts, records, accounts)
}
