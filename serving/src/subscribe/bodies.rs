//! The bodies of messages, as JSON without braces.

use super::subscription::{Encoding, SubscriptionKey};
use crate::Context;
use crate::frontier_json::FrontierJson;
use market::Generation;
use rows::{Cell, Changes, Frontier};

/// The body of an update; none if it is empty.
pub(super) fn update(
    context: &Context,
    subscription: &SubscriptionKey,
    changes: &Changes,
) -> Option<String> {
    if changes.changes.is_empty() {
        return None;
    }
    let mut body = frontier(context.run, changes.frontier);
    match subscription.encoding {
        Encoding::Upsert => {
            let (upserts, deletes) = changes.upserts_and_deletes(subscription.view);
            list(&mut body, "upserts", upserts, |cells, out| subscription.row(context, cells, out));
            list(&mut body, "deletes", deletes, |cells, out| {
                subscription.row_key(context, cells, out)
            });
        }
        Encoding::Diff => list(&mut body, "diffs", &changes.changes, |change, out| {
            out.push('[');
            subscription.row(context, &change.cells, out);
            out.push_str(&format!(",{}]", change.diff));
        }),
    }
    Some(body)
}

/// The body of a part of a snapshot.
pub(super) fn snapshot(
    context: &Context,
    subscription: &SubscriptionKey,
    at: Frontier,
    rows: &[Vec<Cell>],
    (part, last): (usize, bool),
) -> String {
    let mut body = frontier(context.run, at);
    body.push_str(&format!(",\"part\":{part},\"last\":{last}"));
    list(&mut body, "rows", rows, |cells, out| subscription.row(context, cells, out));
    body
}

/// The body of a message with a frontier only.
pub(super) fn frontier(run: Generation, frontier: Frontier) -> String {
    let FrontierJson { run, commit, at } = FrontierJson::of(run, frontier);
    let commit = commit.map_or_else(|| "null".to_owned(), |commit| commit.to_string());
    let at = at.map_or_else(|| "null".to_owned(), |at| format!("\"{at}\""));
    format!("\"frontier\":{{\"run\":\"{run}\",\"commit\":{commit},\"at\":{at}}}")
}

fn list<T>(
    body: &mut String,
    name: &str,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String),
) {
    body.push_str(&format!(",\"{name}\":["));
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        write(item, body);
    }
    body.push(']');
}
