//! The bodies of messages, as JSON without braces.

use super::message::Body;
use super::subscription::{Encoding, SubscriptionKey};
use crate::Context;
use crate::frontier_json::FrontierJson;
use crate::resume::NotResumed;
use market::{Commit, EventTime, Generation};
use rows::{Cell, Changes, Frontier};

/// The body of an update; none if it is empty.
pub(super) fn update(
    context: &Context,
    subscription: &SubscriptionKey,
    changes: &Changes,
) -> Option<Body> {
    if changes.changes.is_empty() {
        return None;
    }
    let (mut body, token) = complete(context, subscription.hash(), changes.frontier);
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
    Some(token.of(body))
}

/// The body of a part of a snapshot. With the last one the client has everything.
pub(super) fn snapshot(
    context: &Context,
    subscription: &SubscriptionKey,
    at: Frontier,
    rows: &[Vec<Cell>],
    (part, last): (usize, bool),
) -> Body {
    let (mut body, token) = match last {
        true => complete(context, subscription.hash(), at),
        false => (frontier(context.run, at), TokenPlace::default()),
    };
    body.push_str(&format!(",\"part\":{part},\"last\":{last}"));
    list(&mut body, "rows", rows, |cells, out| subscription.row(context, cells, out));
    token.of(body)
}

/// The body of a message that says how far everything is complete.
pub(super) fn progress(context: &Context, query: u32, at: Frontier) -> Body {
    let (body, token) = complete(context, query, at);
    token.of(body)
}

/// The body of the message to a client that goes on after a frontier.
pub(super) fn resumed(context: &Context, query: u32, after: Frontier) -> Body {
    let (mut body, token) = complete(context, query, after);
    body.push_str(",\"resumed\":true");
    token.of(body)
}

/// The body of the message to a client that has to begin anew.
pub(super) fn resync(context: &Context, at: Frontier, why: NotResumed) -> Body {
    let frontier = frontier(context.run, at);
    Body::plain(format!("{frontier},\"resumed\":false,\"reason\":\"{}\"", why.reason()))
}

/// A frontier, and the token of who has everything up to it.
fn complete(context: &Context, query: u32, at: Frontier) -> (String, TokenPlace) {
    let mut body = frontier(context.run, at);
    let token = match at.commit {
        Some(commit) => TokenPlace::append(context, query, (commit, at.at), &mut body),
        None => TokenPlace::default(), // before the first commit there is nothing to go on from
    };
    (body, token)
}

/// Where in a body the token is, if it has one.
#[derive(Default)]
struct TokenPlace(Option<(usize, String)>);

impl TokenPlace {
    fn append(
        context: &Context,
        query: u32,
        commit: (Commit, EventTime),
        body: &mut String,
    ) -> TokenPlace {
        body.push_str(",\"resume\":\"");
        let (begin, token) = (body.len(), context.resume.encode(context.run, commit, query));
        body.push_str(&token);
        body.push('"');
        TokenPlace(Some((begin, token)))
    }

    fn of(self, body: String) -> Body {
        match self.0 {
            Some((begin, token)) => Body::with_token(body, begin, &token),
            None => Body::plain(body),
        }
    }
}

fn frontier(run: Generation, frontier: Frontier) -> String {
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
