//! The alerts that stand: raised, and neither withdrawn nor over.

use std::collections::BTreeMap;
use std::time::Instant;

use market::{Commit, EventTime, TimeUnit};

use super::config::AlertmanagerSettings;
use crate::notify::row::TextRow;
use crate::notify::select::is_young;
use crate::sink::{BatchKind, EarlierStarts, SinkBatch};

/// Alerts that are sent again and again, by key; at most [`STANDING_MAX`].
#[derive(Debug, Default)]
pub(super) struct StandingAlerts(BTreeMap<String, StandingAlert>);

/// Kept in memory, at about 1 KB each.
const STANDING_MAX: usize = 10_000;

/// An alert that stands, or whose end was not sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StandingAlert {
    pub(super) key: String,
    pub(super) row: TextRow,
    /// The commit of its last change.
    pub(super) commit: Commit,
    pub(super) raised_at: EventTime,
    pub(super) stands_until: EventTime,
    /// When it was withdrawn.
    pub(super) ended_at: Option<EventTime>,
    /// When it is to be sent.
    pub(super) due: Instant,
}

/// What of a part does not stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) skipped: u64,
    pub(super) held_back: u64,
}

impl StandingAlert {
    /// One line for people.
    pub(super) fn headline(&self) -> String {
        let of = |column: &str| self.row.text(column).unwrap_or("?");
        let (rule, instrument) = (of("rule"), of("instrument"));
        format!("{rule} on {instrument} {}, bar {}", of("timeframe"), of("open_time"))
    }
}

impl StandingAlerts {
    /// Takes the changes of a part of a batch.
    pub(super) fn take(
        &mut self,
        batch: &SinkBatch<'_>,
        settings: &AlertmanagerSettings,
        earlier: &EarlierStarts,
        now: Instant,
    ) -> Taken {
        let mut taken = Taken::default();
        for record in batch.records {
            let Some(row) = record.now.as_deref().map(TextRow::of_json) else { continue };
            let raised_at = row.text("raised_at");
            let raised_at = raised_at.and_then(|t| EventTime::parse(t, TimeUnit::Rfc3339).ok());
            let raised_at = raised_at.unwrap_or(batch.at);
            let commit = Commit(row.number("last_commit").unwrap_or(batch.commit.0));
            let alert = StandingAlert {
                key: record.key.clone(),
                commit,
                raised_at,
                stands_until: raised_at.after(settings.stands_for),
                ended_at: None,
                due: now,
                row,
            };
            let is_young = is_young(settings.max_age, batch.at, &alert.row);
            if alert.row.text("state") == Some("raised") {
                self.raise(alert, (batch.at, is_young), &mut taken);
            } else {
                let of_earlier = batch.kind != BatchKind::Changes
                    && is_young
                    && earlier
                        .run_of(Commit(alert.row.number("first_commit").unwrap_or(0)))
                        .is_some();
                self.withdraw(alert, batch.at, of_earlier);
            }
        }
        taken
    }

    fn raise(
        &mut self,
        alert: StandingAlert,
        (at, is_young): (EventTime, bool),
        taken: &mut Taken,
    ) {
        if let Some(standing) = self.0.get_mut(&alert.key) {
            if standing.commit != alert.commit || standing.ended_at.is_some() {
                *standing = alert; // raised again
            }
        } else if !is_young || alert.stands_until <= at {
            taken.skipped += 1;
        } else if self.0.len() >= STANDING_MAX {
            taken.held_back += 1;
        } else {
            self.0.insert(alert.key.clone(), alert);
        }
    }

    /// Ends an alert; one of an earlier start, whoever knows of it.
    fn withdraw(&mut self, mut alert: StandingAlert, at: EventTime, of_earlier: bool) {
        // An end before the beginning is refused.
        alert.ended_at = Some(at.max(alert.raised_at));
        let is_room = of_earlier && self.0.len() < STANDING_MAX;
        if is_room || self.0.contains_key(&alert.key) {
            self.0.insert(alert.key.clone(), alert);
        }
    }

    /// Those that are to be sent now, the longest due first. Those that are over end by themselves, for their end was sent
    /// with them.
    pub(super) fn due(&mut self, now: Instant, time: EventTime, most: usize) -> Vec<StandingAlert> {
        self.0.retain(|_, alert| alert.ended_at.is_some() || alert.stands_until > time);
        let mut due: Vec<&StandingAlert> =
            self.0.values().filter(|alert| alert.due <= now).collect();
        due.sort_by_key(|alert| alert.due);
        due.into_iter().take(most).cloned().collect()
    }

    /// An alert was sent. What has ended is forgotten, the rest comes again.
    pub(super) fn sent(&mut self, key: &str, resend_at: Instant) {
        match self.0.get_mut(key) {
            Some(alert) if alert.ended_at.is_none() => alert.due = resend_at,
            _ => self.remove(key),
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Map, json};

    use super::super::config::checked;
    use super::*;
    use crate::sink::SinkRecord;

    const BAR: &str = "2026-01-05T14:30:00Z";

    fn time(text: &str) -> EventTime {
        EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
    }

    fn record(key: &str, state: &str, commit: u64) -> SinkRecord {
        let row = json!({
            "instrument": "x:A", "timeframe": "1m", "open_time": BAR, "rule": key, "state": state,
            "raised_at": "2026-01-05T14:30:30Z", "first_commit": 1, "last_commit": commit,
        });
        SinkRecord { key: key.to_owned(), now: Some(row.to_string()), before: None }
    }

    fn take(
        standing: &mut StandingAlerts,
        records: &[SinkRecord],
        at: &str,
        now: Instant,
    ) -> Taken {
        let (run, view, kind, at) = ("r", "alerts", BatchKind::Changes, time(at));
        let (after, commit, part, last) = (None, Commit(9), 0, true);
        let batch = SinkBatch { run, view, kind, after, commit, at, part, last, records };
        let settings = checked(Map::new()).unwrap();
        standing.take(&batch, &settings, &EarlierStarts::default(), now)
    }

    #[test]
    fn an_alert_stands_until_it_is_withdrawn_or_over() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut standing = StandingAlerts::default();
        let raised = [record("a", "raised", 1), record("b", "raised", 1)];
        assert_eq!(take(&mut standing, &raised, "2026-01-05T14:30:31Z", start), Taken::default());
        let keys = |standing: &mut StandingAlerts, secs, time_text: &str| {
            let due = standing.due(at(secs), time(time_text), 64);
            due.into_iter().map(|alert| (alert.key, alert.ended_at)).collect::<Vec<_>>()
        };
        let (a, b) = (("a".to_owned(), None), ("b".to_owned(), None));
        assert_eq!(keys(&mut standing, 0, "2026-01-05T14:31:00Z"), [a, b.clone()]);
        ["a", "b"].into_iter().for_each(|key| standing.sent(key, at(60)));
        assert_eq!(keys(&mut standing, 59, "2026-01-05T14:31:59Z"), []);
        // A withdrawal goes at once, and once.
        let withdrawn = [record("a", "withdrawn", 2)];
        take(&mut standing, &withdrawn, "2026-01-05T14:32:00Z", at(59));
        let ended = ("a".to_owned(), Some(time("2026-01-05T14:32:00Z")));
        assert_eq!(keys(&mut standing, 59, "2026-01-05T14:31:59Z"), [ended]);
        standing.sent("a", at(119));
        assert_eq!(keys(&mut standing, 300, "2026-01-05T14:36:00Z"), [b]);
        assert_eq!(keys(&mut standing, 4_000, "2026-01-05T15:30:31Z"), [], "it is over");
    }

    #[test]
    fn old_alerts_and_ends_of_unknown_ones_are_not_sent() {
        let now = Instant::now();
        let mut standing = StandingAlerts::default();
        let records = [record("a", "raised", 1), record("c", "withdrawn", 2)];
        let taken = take(&mut standing, &records, "2026-01-05T18:00:00Z", now);
        assert_eq!(taken, Taken { skipped: 1, held_back: 0 });
        assert_eq!(standing.due(now, time("2026-01-05T14:31:00Z"), 64), []);
    }

    #[test]
    fn the_number_of_standing_alerts_has_a_bound() {
        let now = Instant::now();
        let mut standing = StandingAlerts::default();
        let records: Vec<_> =
            (0..STANDING_MAX + 3).map(|n| record(&n.to_string(), "raised", 1)).collect();
        let taken = take(&mut standing, &records, "2026-01-05T14:30:31Z", now);
        assert_eq!((taken.held_back, standing.0.len()), (3, STANDING_MAX));
    }
}
