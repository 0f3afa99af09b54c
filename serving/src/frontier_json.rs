//! A frontier as clients see it.

use serde::Serialize;

use rows::Frontier;

/// A frontier in JSON.
#[derive(Serialize)]
pub(super) struct FrontierJson {
    pub(super) commit: Option<u64>,
    pub(super) at: String,
}

/// A frontier as a JSON value.
pub(super) fn frontier_json(frontier: Frontier) -> serde_json::Value {
    let FrontierJson { commit, at } = frontier.into();
    serde_json::json!({ "commit": commit, "at": at })
}

impl From<Frontier> for FrontierJson {
    fn from(frontier: Frontier) -> FrontierJson {
        FrontierJson { commit: frontier.commit.map(|commit| commit.0), at: frontier.at.rfc3339() }
    }
}
