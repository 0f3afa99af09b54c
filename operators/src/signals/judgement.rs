//! What becomes of an alert when its rule is judged.

use market::{Commit, EventTime};

use super::{Alert, Raising};
use crate::numbers::Reading;
use crate::rules::{Point, Rule};

/// What is so at a bar, if its rule comes to hold.
pub(super) fn raising(rule: &Rule, point: Option<&Point>, at: EventTime) -> Raising {
    let close = point.and_then(|point| Some((point.ends?.1, point.price_scale)));
    let value = point.and_then(|point| rule.compared(point)).map(Reading);
    Raising { at, close, value }
}

/// The state of an alert after a rule was judged; none if nothing changed.
pub(super) fn next(
    before: Option<&Alert>,
    (holds, settled): (bool, bool),
    commit: Commit,
    raising: impl Fn() -> Raising,
) -> Option<Alert> {
    match before {
        None => holds.then_some(Alert {
            raised: true,
            settled,
            first: commit,
            last: commit,
            changes: 1,
            raising: raising(),
            acknowledged: None,
        }),
        Some(alert) if alert.raised != holds => Some(Alert {
            raised: holds,
            settled,
            first: alert.first,
            last: commit,
            changes: alert.changes + 1,
            raising: if holds { raising() } else { alert.raising },
            acknowledged: alert.acknowledged.clone().filter(|_| !holds),
        }),
        Some(alert) if alert.settled != settled => Some(Alert { settled, ..alert.clone() }),
        Some(_) => None,
    }
}
