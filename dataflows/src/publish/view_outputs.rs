//! Connects the views of a job to the outputs of its operators, on one worker.

use std::sync::Arc;

use market::Commit;
use operators::CommitContext;
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::{Inspect, Probe};

use super::arranged::WorkerViews;
use super::board::Board;
use super::entry::{Entry, KeyedConnector, LogConnector};
use super::output_context::OutputContext;

/// Publishes the outputs of a job's operators as views.
pub struct ViewOutputs<'scope> {
    context: OutputContext<'scope>,
    entries: Vec<&'static Entry>,
    views: WorkerViews,
}

impl<'scope> ViewOutputs<'scope> {
    /// None of these views is connected yet. Up to commit `restored` rows existed before and are emitted again, and logs
    /// have their rows.
    pub fn new(
        entries: Vec<&'static Entry>,
        contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
        restored: Option<Commit>,
        board: &Arc<Board>,
    ) -> ViewOutputs<'scope> {
        let taken = entries.iter().filter(|entry| entry.connector.is_some());
        let taken = taken.map(|entry| entry.stored.view.name).collect();
        let views = WorkerViews { taken, ..WorkerViews::default() };
        let context = OutputContext { contexts, restored, board: Arc::clone(board) };
        ViewOutputs { context, entries, views }
    }

    /// Publishes an output as all views of the job that are taken from outputs of its type. A job publishes one stream
    /// of a type.
    pub fn publish<O: Clone + 'static>(&mut self, mut output: StreamVec<'scope, Time, O>) {
        let connectors = self.entries.iter();
        let connectors = connectors
            .filter_map(|entry| Some((entry.stored.view.name, entry.connector?)))
            .collect::<Vec<_>>();
        let mut logs = Vec::new();
        for (name, connector) in connectors.iter().copied() {
            if let Some(LogConnector(append)) = connector.downcast_ref::<LogConnector<O>>() {
                logs.push(append);
                self.views.connected.push(name);
            }
        }
        if !logs.is_empty() {
            output = self.log(output, logs);
        }
        for (name, connector) in connectors.iter().copied() {
            if let Some(KeyedConnector(publish)) = connector.downcast_ref::<KeyedConnector<O>>() {
                let arranged = publish(output.clone(), &self.context);
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
        let (board, restored) = (Arc::clone(&self.context.board), self.context.restored);
        let output = output.inspect_batch(move |time, outputs: &Vec<O>| {
            if Some(Commit(*time)) <= restored {
                return;
            }
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
