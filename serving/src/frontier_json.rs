//! A frontier as clients see it.

use market::Generation;
use rows::Frontier;
use serde::Serialize;

/// A frontier in JSON: commits are counted within one run of the process, so the run stands beside the commit. Before the
/// first commit there is neither commit nor time.
#[derive(Serialize)]
pub(super) struct FrontierJson {
    pub(super) run: String,
    pub(super) commit: Option<u64>,
    pub(super) at: Option<String>,
}

/// A frontier as a JSON value.
pub(super) fn frontier_json(run: Generation, frontier: Frontier) -> serde_json::Value {
    let FrontierJson { run, commit, at } = FrontierJson::of(run, frontier);
    serde_json::json!({ "run": run, "commit": commit, "at": at })
}

impl FrontierJson {
    /// The frontier of a run.
    pub(super) fn of(run: Generation, frontier: Frontier) -> FrontierJson {
        let commit = frontier.commit.map(|commit| commit.0);
        let at = frontier.commit.map(|_| frontier.at.rfc3339());
        FrontierJson { run: run.to_string(), commit, at }
    }
}
