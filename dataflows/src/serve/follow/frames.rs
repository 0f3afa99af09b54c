//! Messages, encoded once for all who wish the same.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::crier::Criers;
use super::wish::{Encoding, Telling};
use crate::serve::Context;
use crate::serve::routes::FrontierJson;
use crate::views::{Cell, Changes, Frontier, ReadError};

/// The changes that were encoded last, a few dozen at most.
///
/// Followers of the same wish that are equally far ask for the same change at the same time; the first
/// one reads and encodes it.
#[derive(Clone, Default)]
pub struct Frames {
    latest: Arc<Mutex<Latest>>,
    /// Who tells them.
    pub(super) criers: Criers,
}

/// How many changes are kept for others to ask for.
const FRAMES: usize = 64;

#[derive(Default)]
struct Latest {
    by_key: HashMap<Key, Arc<OnceCell<Option<Arc<str>>>>>,
    order: VecDeque<Key>,
}

/// A wish, and from and up to which commit.
type Key = (Arc<Telling>, Option<u64>, Option<u64>);

impl Frames {
    /// The body of an update from one frontier to a later one; none if nothing wanted has changed.
    pub(super) async fn update(
        &self,
        context: &Context,
        telling: &Arc<Telling>,
        from: Frontier,
        to: Frontier,
    ) -> Result<Option<Arc<str>>, ReadError> {
        let cell = self.cell((
            Arc::clone(telling),
            from.commit.map(|commit| commit.0),
            to.commit.map(|commit| commit.0),
        ));
        let encoded = cell.get_or_try_init(|| async {
            let wanted = Arc::clone(&telling.wanted);
            let changes = context.reader.changes(telling.view, wanted, from.commit, to).await?;
            Ok(update(context, telling, from, &changes).map(Arc::from))
        });
        encoded.await.cloned()
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Option<Arc<str>>>> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = latest.by_key.get(&key) {
            return Arc::clone(cell);
        }
        if latest.order.len() >= FRAMES
            && let Some(oldest) = latest.order.pop_front()
        {
            latest.by_key.remove(&oldest);
        }
        let cell = Arc::default();
        latest.by_key.insert(key.clone(), Arc::clone(&cell));
        latest.order.push_back(key);
        cell
    }
}

/// The body of an update; none if there is nothing in it.
fn update(
    context: &Context,
    telling: &Telling,
    from: Frontier,
    changes: &Changes,
) -> Option<String> {
    if changes.changes.is_empty() {
        return None;
    }
    let mut body = frontier(changes.frontier);
    let after = from.commit.map_or_else(|| "null".to_owned(), |commit| commit.0.to_string());
    body.push_str(&format!(",\"after\":{after}"));
    match telling.encoding {
        Encoding::Upsert => {
            let (upserts, deletes) = changes.upserts_and_deletes(telling.view);
            list(&mut body, "upserts", upserts, |cells, out| telling.row(context, cells, out));
            list(&mut body, "deletes", deletes, |cells, out| telling.key(context, cells, out));
        }
        Encoding::Diff => list(&mut body, "diffs", &changes.changes, |change, out| {
            out.push('[');
            telling.row(context, &change.cells, out);
            out.push_str(&format!(",{}]", change.diff));
        }),
    }
    Some(body)
}

/// The body of a part of a snapshot.
pub(super) fn snapshot(
    context: &Context,
    telling: &Telling,
    at: Frontier,
    rows: &[Vec<Cell>],
    (part, last): (usize, bool),
) -> String {
    let mut body = frontier(at);
    body.push_str(&format!(",\"part\":{part},\"last\":{last}"));
    list(&mut body, "rows", rows, |cells, out| telling.row(context, cells, out));
    body
}

/// The body of a message that tells a frontier and nothing else.
pub(super) fn frontier(frontier: Frontier) -> String {
    let FrontierJson { commit, at } = frontier.into();
    let commit = commit.map_or_else(|| "null".to_owned(), |commit| commit.to_string());
    format!("\"frontier\":{{\"commit\":{commit},\"at\":\"{at}\"}}")
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
