//! The shell: runs pure cores, one per shard, over closed commits.
//!
//! All reasoning about frontiers and capabilities lives here and in the timestamp buffer, once. A core sees plain
//! calls, commit by commit; it never learns which worker it is on, in which order records arrived, or what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use market::{Commit, Shard};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::context::CommitContext;
use crate::state::{StateError, StateFault, StateStore};
use crate::timestamp_buffer::{PendingCommit, TimestampBuffer};

pub use crate::time::Time;

/// Belongs to a shard.
pub trait Sharded {
    /// Which one.
    fn shard(&self) -> Shard;
}

/// The state of one shard of an operator, and what it does with a commit.
pub trait Core: Sized + 'static {
    /// What it takes.
    type In: Sharded + Clone + 'static;
    /// What it puts out.
    type Out: Clone + 'static;

    /// Applies one commit: all records of it that belong to this shard, in no particular order. Called
    /// for every commit, also without records. Output must be a function of the commits so far, each a
    /// set. `records` is left empty.
    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<Self::In>,
        out: &mut Vec<Self::Out>,
    );

    /// Puts out again the rows that exist, after a restore; they rebuild arrangements.
    fn restate(&self, out: &mut Vec<Self::Out>);

    /// Puts out again, for rules alone, the bars that rules of the commit newly watch, or the numbers at them, as they
    /// are after it. Called after [`Core::commit`] if it has such rules; a core without bars has nothing to say.
    fn show(&self, _context: &CommitContext, _out: &mut Vec<Self::Out>) {}

    /// The state, complete: [`Self::decode`] of it goes on exactly as this core would.
    fn encode(&self) -> Result<Vec<u8>, postcard::Error>;

    /// The core of a shard with the state that [`Self::encode`] gave.
    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error>;

    /// Keys held, and how many bytes they retain, by the capacity of what holds them ([`crate::heap`]). What is shared
    /// counts where it was made.
    fn size(&self) -> (usize, usize);

    /// Of what is kept for a horizon only: how many ids, tombstones included. They must not grow for ever
    /// while time passes.
    fn ids(&self) -> usize {
        0
    }
}

/// What an operator holds on one worker, for metrics and tests; readable from any thread.
#[derive(Debug, Default)]
pub struct Gauge {
    keys: AtomicUsize,
    bytes: AtomicUsize,
    ids: AtomicUsize,
}

impl Gauge {
    /// Sets what an operator holds after a commit.
    pub(crate) fn set(&self, keys: usize, bytes: usize, ids: usize) {
        self.keys.store(keys, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.ids.store(ids, Ordering::Relaxed);
    }

    /// Keys held after the last commit.
    pub fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Bytes retained after the last commit.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Ids kept after the last commit; see [`Core::ids`].
    pub fn ids(&self) -> usize {
        self.ids.load(Ordering::Relaxed)
    }
}

/// One core with the records of the commit at hand.
struct ShardSlot<C: Core> {
    shard: Shard,
    core: C,
    inbox: Vec<C::In>,
    /// The core has the state after this commit already, and has not put out its rows.
    restored: Option<Commit>,
    /// It has no state, and makes one at that commit of the rows that come again.
    is_rebuilt: bool,
}

/// Runs `make(shard)` for each shard of this worker over the commits of `contexts` and `records`.
///
/// The caller guarantees that every commit has exactly one context on every worker, at the time of its
/// number, and that records are on the worker that owns their shard (nothing is exchanged here).
/// States are restored from `states` when the dataflow is built, and saved to it after each commit whose
/// context asks for it. A restored shard ignores the commits that its state has, and puts out the rows that exist at the
/// last of these; one without a state, whose operator is configured otherwise, makes one of the rows that the operators
/// before it put out there.
pub fn keyed<'scope, C: Core>(
    contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
    records: StreamVec<'scope, Time, C::In>,
    name: &'static str,
    make: impl Fn() -> C,
    states: Arc<dyn StateStore>,
    gauge: Arc<Gauge>,
) -> Result<StreamVec<'scope, Time, C::Out>, StateError> {
    let (index, peers) = {
        let worker = contexts.scope().worker();
        (worker.index(), worker.peers())
    };
    let mut slots = slots(name, index, peers, make, &*states)?;

    Ok(contexts.binary_frontier(records, Pipeline, Pipeline, name, move |capability, _info| {
        let mut buffer: TimestampBuffer<_, C::In, 1> = TimestampBuffer::new();
        drop(capability);
        let mut out = Vec::new();

        move |(contexts, contexts_frontier), (records, records_frontier), output| {
            // 1. Buffer what has arrived under its commit.
            buffer.take(contexts, records);

            // 2. Retire, in order, every commit that both frontiers have passed.
            while let Some((time, due)) = buffer.closed(contexts_frontier, records_frontier) {
                let PendingCommit {
                    capabilities: [capability],
                    left: mut contexts,
                    right: records,
                } = due;
                let Some(context) = contexts.pop() else {
                    unreachable!("commit {time} of `{name}` has records but no context");
                };
                distribute(records, &mut slots, peers);
                commit_all(&mut slots, &context, &mut out, &gauge);
                save(name, &slots, &context, &*states);
                // The next commit will emit about as much.
                let about = out.len();
                output.session(&capability).give_container(&mut out);
                out.clear();
                out.reserve(about);
            }
        }
    }))
}

/// The cores of the shards that worker `index` owns, with their restored states.
fn slots<C: Core>(
    name: &str,
    index: usize,
    peers: usize,
    make: impl Fn() -> C,
    states: &dyn StateStore,
) -> Result<Vec<ShardSlot<C>>, StateError> {
    let own = (0..=u8::MAX).map(Shard).filter(|shard| shard.worker(peers) == index);
    own.map(|shard| {
        let mut core = make();
        let error = |source: StateFault| StateError { operator: name.to_owned(), shard, source };
        let saved = states.load(name, shard).map_err(|unreadable| error(unreadable.into()))?;
        if let Some(encoded) = saved.as_ref().and_then(|saved| saved.encoded.as_ref()) {
            core.decode(encoded).map_err(|undecodable| error(undecodable.into()))?;
        }
        let is_rebuilt = saved.as_ref().is_some_and(|saved| saved.encoded.is_none());
        Ok(ShardSlot {
            shard,
            core,
            inbox: Vec::new(),
            restored: saved.map(|saved| saved.after),
            is_rebuilt,
        })
    })
    .collect()
}

/// Puts each record into the inbox of its shard; `slots` are those of one of `peers` workers.
fn distribute<C: Core>(records: Vec<C::In>, slots: &mut [ShardSlot<C>], peers: usize) {
    for record in records {
        // A worker owns every `peers`-th shard.
        let slot = &mut slots[usize::from(record.shard().0) / peers];
        debug_assert_eq!(record.shard(), slot.shard, "record on a foreign worker");
        slot.inbox.push(record);
    }
}

/// Applies one commit to the core of each shard, and measures what they hold after it.
fn commit_all<C: Core>(
    slots: &mut [ShardSlot<C>],
    context: &CommitContext,
    out: &mut Vec<C::Out>,
    gauge: &Gauge,
) {
    let (mut keys, mut bytes, mut ids) = (0, 0, 0);
    for ShardSlot { core, inbox, restored, is_rebuilt, .. } in slots {
        match *restored {
            Some(after) if context.commit < after => inbox.clear(),
            Some(after) if context.commit == after => {
                match is_rebuilt {
                    true => {
                        core.commit(&CommitContext { round: true, ..context.clone() }, inbox, out)
                    }
                    false => core.restate(out),
                }
                inbox.clear();
                *restored = None;
            }
            _ => {
                core.commit(context, inbox, out);
                if context.rules.shows_bars() {
                    core.show(context, out);
                }
            }
        }
        let size = core.size();
        keys += size.0;
        bytes += size.1;
        ids += core.ids();
    }
    gauge.set(keys, bytes, ids);
}

/// Saves the shards that the commit asks for.
fn save<C: Core>(
    name: &'static str,
    slots: &[ShardSlot<C>],
    context: &CommitContext,
    states: &dyn StateStore,
) {
    // A shard that still ignores commits is saved already, after a later one.
    let due = |slot: &&ShardSlot<C>| {
        context.saves.contains(&u16::from(slot.shard.0)) && slot.restored.is_none()
    };
    for ShardSlot { shard, core, .. } in slots.iter().filter(due) {
        states.save(name, *shard, context.commit, &mut || match core.encode() {
            Ok(state) => state,
            // States are plain serde data in memory: encoding them has no way to fail.
            Err(error) => unreachable!("state of `{name}`, shard {}: {error}", shard.0),
        });
    }
}
