//! What is told: one change of a row, with an id that stays the same however often it is tried.

use std::fmt::Write as _;

use market::{Commit, EventTime};
use ring::digest;
use serde_json::json;

use super::row::TextRow;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoticeKind {
    /// An alert was raised.
    Raised,
    /// An alert was withdrawn.
    Withdrawn,
    /// A row is there, of another view.
    Added,
    /// A row is gone, of another view.
    Removed,
    /// Something else of a row has changed.
    Updated,
    /// So many changes were beyond the bound of messages per minute.
    HeldBack(u64),
}

impl NoticeKind {
    /// The name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            NoticeKind::Raised => "raised",
            NoticeKind::Withdrawn => "withdrawn",
            NoticeKind::Added => "added",
            NoticeKind::Removed => "removed",
            NoticeKind::Updated => "updated",
            NoticeKind::HeldBack(_) => "held_back",
        }
    }
}

/// A change that somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// 32 hexadecimal digits: see [`event_id`].
    pub(super) id: String,
    pub(super) kind: NoticeKind,
    pub(super) view: String,
    /// The start whose commit it is.
    pub(super) run: String,
    pub(super) commit: Commit,
    /// The system time of the commit with which it was delivered.
    pub(super) at: EventTime,
    pub(super) key: String,
    /// The row as JSON: of a removed one, as it was.
    pub(super) json: Option<String>,
    pub(super) row: TextRow,
    pub(super) json_before: Option<String>,
    pub(super) before: TextRow,
    /// Of a withdrawal, the id of the notice that it withdraws, if that is known.
    pub(super) withdraws: Option<String>,
    /// Of what is held back, how many by rule.
    pub(super) by_rule: Vec<(String, u64)>,
}

/// The id of a change: the first half of the SHA-256 of run, view, kind, commit and key. The run is the start whose commit
/// it is, so another start that tells the change again tells it under the same id.
pub(super) fn event_id(
    (run, view): (&str, &str),
    kind: NoticeKind,
    commit: Commit,
    key: &str,
) -> String {
    let name = kind.name();
    let text = format!("{run}\n{view}\n{name}\n{commit}\n{key}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hex(&hash.as_ref()[..16])
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a `String` takes everything
        text
    })
}

impl Notice {
    /// The default message: a JSON object.
    pub(super) fn envelope(&self) -> String {
        let Notice { id, kind, view, run, commit, at, key, .. } = self;
        let mut text = format!(
            "{{\"id\":\"{id}\",\"type\":\"{}\",\"view\":{},\"run\":{},\"commit\":{commit},\"at\":\"{}\"",
            kind.name(),
            json!(view),
            json!(run),
            at.rfc3339(),
        );
        let mut put = |name: &str, json: &str| {
            let _ = write!(text, ",\"{name}\":{json}"); // a `String` takes everything
        };
        if let NoticeKind::HeldBack(count) = kind {
            put("count", &count.to_string());
            let by_rule: serde_json::Map<_, _> =
                self.by_rule.iter().map(|(rule, count)| (rule.clone(), json!(count))).collect();
            put("by_rule", &json!(by_rule).to_string());
        } else {
            put("key", &json!(key).to_string());
            put("row", self.json.as_deref().unwrap_or("null"));
            put("before", self.json_before.as_deref().unwrap_or("null"));
        }
        if let Some(raise) = &self.withdraws {
            put("withdraws", &json!(raise).to_string());
        }
        text.push('}');
        text
    }

    /// Whether it tells how much was not told, and so is of no row.
    pub(super) fn is_summary(&self) -> bool {
        matches!(self.kind, NoticeKind::HeldBack(_))
    }

    /// One line for people.
    pub(super) fn headline(&self) -> String {
        let of = |column: &str| self.row.text(column).unwrap_or("?");
        match self.kind {
            NoticeKind::HeldBack(count) => {
                let rules = self.by_rule.iter().map(|(rule, count)| format!("{rule}: {count}"));
                let rules = rules.collect::<Vec<_>>().join(", ");
                format!("{count} changes of {} were held back ({rules})", self.view)
            }
            kind if self.view == super::ALERTS => {
                let (rule, instrument, timeframe) = (of("rule"), of("instrument"), of("timeframe"));
                format!(
                    "{}: {rule} on {instrument} {timeframe}, bar {}",
                    kind.name(),
                    of("open_time")
                )
            }
            kind => format!("{} in {}: {}", kind.name(), self.view, self.key),
        }
    }

    /// More for people, a line per fact.
    pub(super) fn details(&self) -> String {
        let mut lines = Vec::new();
        for (column, label) in [("price", "close"), ("value", "value"), ("raised_at", "raised at")]
        {
            if self.view == super::ALERTS
                && let Some(text) = self.row.text(column)
            {
                lines.push(format!("{label} {text}"));
            }
        }
        if self.view != super::ALERTS {
            lines.extend(self.row.texts().map(|(name, text)| format!("{name} {text}")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_one_change() {
        let of =
            |run, commit, key| event_id((run, "alerts"), NoticeKind::Raised, Commit(commit), key);
        assert_eq!(of("a", 1, "k"), of("a", 1, "k"));
        assert_eq!(of("a", 1, "k").len(), 32);
        let others = [of("b", 1, "k"), of("a", 2, "k"), of("a", 1, "l")];
        assert!(others.iter().all(|other| *other != of("a", 1, "k")));
    }
}
