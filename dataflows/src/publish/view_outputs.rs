//! Connects the views of a job to the outputs of its operators, on one worker.

use std::sync::Arc;

use market::Commit;
use operators::CommitContext;
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::{Inspect, Probe};

use super::arranged::Arranged;
use super::board::Board;
use super::entry::{KeyedConnector, LogConnector};

/// The commits of a worker, each at its time.
pub(super) type Contexts<'scope> = StreamVec<'scope, Time, Arc<CommitContext>>;

/// Publishes the outputs of a job's operators as views.
pub struct ViewOutputs<'scope> {
    pub(super) contexts: Contexts<'scope>,
    /// The rows of this commit existed before and are emitted again.
    pub(super) restored: Option<Commit>,
    pub(super) board: Arc<Board>,
    views: WorkerViews,
}

/// The views of a job on one worker.
#[derive(Default)]
pub struct WorkerViews {
    /// The arrangements of keyed views.
    pub(super) arranged: Vec<Arranged>,
    /// How far the logs are.
    pub(super) logs: Vec<Handle<Time>>,
    /// The views that are connected to an output.
    pub(super) connected: Vec<&'static str>,
}

impl<'scope> ViewOutputs<'scope> {
    /// No views yet.
    pub fn new(
        contexts: Contexts<'scope>,
        restored: Option<Commit>,
        board: &Arc<Board>,
    ) -> ViewOutputs<'scope> {
        let (board, views) = (Arc::clone(board), WorkerViews::default());
        ViewOutputs { contexts, restored, board, views }
    }

    /// Publishes an output as all views of the job that are taken from outputs of its type. A job publishes one stream
    /// of a type.
    pub fn publish<O: Clone + 'static>(&mut self, mut output: StreamVec<'scope, Time, O>) {
        let board = Arc::clone(&self.board);
        let connectors = || {
            let entries = board.entries.iter();
            entries.filter_map(|entry| Some((entry.view.name, entry.connector?)))
        };
        let mut logs = Vec::new();
        for (name, connector) in connectors() {
            if let Some(LogConnector(append)) = connector.downcast_ref::<LogConnector<O>>() {
                logs.push(append);
                self.views.connected.push(name);
            }
        }
        if !logs.is_empty() {
            output = self.log(output, logs);
        }
        for (name, connector) in connectors() {
            if let Some(KeyedConnector(publish)) = connector.downcast_ref::<KeyedConnector<O>>() {
                let arranged = publish(output.clone(), self);
                self.views.arranged.push(arranged);
                self.views.connected.push(name);
            }
        }
    }

    /// The same output, after its entries were appended to logs.
    fn log<O: Clone + 'static>(
        &mut self,
        output: StreamVec<'scope, Time, O>,
        logs: Vec<&'static fn(&[O], Commit, &Board)>,
    ) -> StreamVec<'scope, Time, O> {
        let board = Arc::clone(&self.board);
        let output = output.inspect_batch(move |time, outputs: &Vec<O>| {
            logs.iter().for_each(|append| append(outputs, Commit(*time), &board));
        });
        let (handle, output) = output.probe();
        self.views.logs.push(handle);
        output
    }

    /// The views that were published.
    pub fn finish(self) -> WorkerViews {
        self.views
    }
}
