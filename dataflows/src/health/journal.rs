//! What the log says of a run's sources, its dead letters and its readiness: when something begins, at most a line a
//! minute while it lasts, and when it is over. Pure: the present is an argument, and lines are given back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use connectors::IncidentKind;
use market::{Rejection, printable};
use node_api::{Readiness, Throttle};
use serde_json::Value;

use crate::views::{DeadLetterRow, IncidentRow};

/// The most characters of an example.
const EXAMPLE_CHARS: usize = 200;
/// The most warnings that are told of a replay.
const WARNINGS_MAX: usize = 1_000;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    /// Something is as it should be, or again.
    Info(String),
    /// Something is not as it should be.
    Warn(String),
}

/// What was told, by source.
#[derive(Debug, Default)]
pub(super) struct Journal {
    sources: BTreeMap<String, SourceJournal>,
    readiness: ReadinessJournal,
    /// The warnings that a replay has told.
    warnings: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct SourceJournal {
    /// The partitions that are not connected any more, or cannot be read: since when, and whether that was told.
    lost: BTreeMap<String, (Instant, bool)>,
    losing: Throttle,
    /// By kind of incident.
    incidents: BTreeMap<&'static str, Throttle>,
    /// By reason.
    dead_letters: BTreeMap<&'static str, Throttle>,
}

#[derive(Debug, Default)]
struct ReadinessJournal {
    is_ready: bool,
    /// Whether it ever was.
    has_begun: bool,
    not_ready: Throttle,
}

impl LogLine {
    pub(super) fn log(self) {
        match self {
            LogLine::Info(text) => tracing::info!("{text}"),
            LogLine::Warn(text) => tracing::warn!("{text}"),
        }
    }
}

impl Journal {
    /// Tells an incident at `now`. What is connected for the first time is no news. `behind`: rows that the server has
    /// then, if known.
    pub(super) fn incident(
        &mut self,
        incident: &IncidentRow,
        behind: impl FnOnce() -> Option<u64>,
        now: Instant,
    ) -> Vec<LogLine> {
        let IncidentRow { source, partition, kind, detail, .. } = incident;
        let own = self.of(source);
        let warned = |throttle: &mut Throttle, what: &str| {
            let told = throttle.happened(now)?;
            let detail = without_partition(partition, detail);
            Some(LogLine::Warn(format!("{source}: {partition}: {what}: {detail}{told}")))
        };
        match *kind {
            IncidentKind::Connected => own.connected(incident, behind, now),
            kind @ (IncidentKind::Disconnected | IncidentKind::Failed) => {
                let what = match kind {
                    IncidentKind::Failed => "cannot be read, and is tried again",
                    _ => "disconnected",
                };
                let line = warned(&mut own.losing, what);
                own.lost.entry(partition.clone()).or_insert((now, false)).1 |= line.is_some();
                line.into_iter().collect()
            }
            IncidentKind::Warning => {
                let throttle = own.incidents.entry(IncidentKind::Warning.name()).or_default();
                // That it is a warning says the line's level; what it says often begins with the partition's name.
                let place = match detail.starts_with(&**partition) {
                    true => source.clone(),
                    false => format!("{source}: {partition}"),
                };
                let told = throttle.happened(now);
                told.map(|told| LogLine::Warn(format!("{place}: {detail}{told}")))
                    .into_iter()
                    .collect()
            }
            kind @ IncidentKind::Gap => {
                let throttle = own.incidents.entry(kind.name()).or_default();
                warned(throttle, kind.name()).into_iter().collect()
            }
            IncidentKind::GivenUp => Vec::new(),
        }
    }

    /// Tells a warning of a replay: each once, however long ago it happened.
    pub(super) fn warning_of_replay(&mut self, incident: &IncidentRow) -> Option<LogLine> {
        let IncidentRow { partition, detail, .. } = incident;
        let line = format!("{partition}: {}", without_partition(partition, detail));
        let room = WARNINGS_MAX.checked_sub(self.warnings.len())?;
        let is_news = room > 0 && self.warnings.insert(line.clone());
        let last = if room == 1 { " (further warnings are not told)" } else { "" };
        is_news.then(|| LogLine::Warn(line + last))
    }

    /// Tells dead letters: the first of each source and reason as an example, then how many more there are.
    pub(super) fn dead_letters(&mut self, letters: &[DeadLetterRow], now: Instant) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for DeadLetterRow { source, partition, position, rejection, .. } in letters {
            let reason = rejection.reason.name();
            let throttle = self.of(source).dead_letters.entry(reason).or_default();
            if let Some(told) = throttle.happened(now) {
                let position = place(rejection, *position);
                let raw = printable(&rejection.raw, EXAMPLE_CHARS);
                let detail = printable(&rejection.detail, EXAMPLE_CHARS);
                lines.push(LogLine::Warn(format!(
                    "{source}: dead letters ({reason}), such as {partition} {position}: {detail}: {raw}{told}"
                )));
            }
        }
        lines
    }

    /// Tells whether the process is ready, if that is news.
    pub(super) fn readiness(&mut self, readiness: &Readiness, now: Instant) -> Option<LogLine> {
        let ReadinessJournal { is_ready, has_begun, not_ready } = &mut self.readiness;
        let was_ready = std::mem::replace(is_ready, *readiness == Readiness::Ready);
        match readiness {
            Readiness::Ready if !std::mem::replace(has_begun, true) => {
                Some(LogLine::Info("ready".to_owned()))
            }
            Readiness::Ready if !was_ready => {
                let over = not_ready.over(now)?;
                Some(LogLine::Info(format!("ready again {over}")))
            }
            Readiness::NotYet(why) if was_ready => {
                let told = not_ready.happened(now)?;
                Some(LogLine::Warn(format!("not ready any more: {why}{told}")))
            }
            _ => None,
        }
    }

    /// Tells what is over, since it has not happened for a minute.
    pub(super) fn quiet(&mut self, now: Instant) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for (source, own) in &mut self.sources {
            for (reason, throttle) in &mut own.dead_letters {
                if let Some(over) = throttle.over_if_quiet(now) {
                    let line = format!("{source}: no more dead letters ({reason}), {over}");
                    lines.push(LogLine::Info(line));
                }
            }
            for (kind, throttle) in &mut own.incidents {
                if let Some(over) = throttle.over_if_quiet(now).filter(|over| over.times > 1) {
                    lines.push(LogLine::Info(format!("{source}: no more of {kind}, {over}")));
                }
            }
        }
        lines
    }

    fn of(&mut self, source: &str) -> &mut SourceJournal {
        if !self.sources.contains_key(source) {
            self.sources.insert(source.to_owned(), SourceJournal::default());
        }
        self.sources.entry(source.to_owned()).or_default()
    }
}

/// What is said of a partition, without its name at the beginning.
fn without_partition<'a>(partition: &str, detail: &'a str) -> &'a str {
    let rest = detail.strip_prefix(partition).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(detail)
}

/// Where a refused row lies, as its server calls it: the id of an entry of Redis, the offset of a message of Kafka;
/// else the position.
fn place(rejection: &Rejection, position: u64) -> String {
    let original = rejection.original.as_deref();
    let original = original.and_then(|text| serde_json::from_str::<Value>(text).ok());
    match original.as_ref().map(|own| (&own["id"], &own["offset"])) {
        Some((Value::String(id), _)) => id.clone(),
        Some((_, Value::Number(offset))) => format!("offset {offset}"),
        _ => position.to_string(),
    }
}

impl SourceJournal {
    /// A partition is connected: news only if it was told that it was not. Of many that were lost, that all are back is
    /// told besides.
    fn connected(
        &mut self,
        incident: &IncidentRow,
        behind: impl FnOnce() -> Option<u64>,
        now: Instant,
    ) -> Vec<LogLine> {
        let IncidentRow { source, partition, detail, .. } = incident;
        let Some((since, was_told)) = self.lost.remove(partition) else { return Vec::new() };
        let waiting = match behind() {
            Some(rows) if rows > 0 => format!("; {rows} rows wait to be read"),
            _ => String::new(),
        };
        let mut lines = Vec::new();
        if was_told {
            let secs = now.saturating_duration_since(since).as_secs_f64();
            lines.push(LogLine::Info(format!(
                "{source}: {partition}: connected again after {secs:.1} s: {detail}{waiting}"
            )));
        }
        if self.lost.is_empty()
            && let Some(over) = self.losing.over(now).filter(|over| over.times > 1)
        {
            let line = format!("{source}: all partitions are connected again {over}{waiting}");
            lines.push(LogLine::Info(line));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use market::{Commit, RejectionReason};

    use super::*;

    fn incident(partition: &str, kind: IncidentKind) -> IncidentRow {
        IncidentRow {
            commit: Commit(1),
            number: 0,
            source: "a".to_owned(),
            partition: partition.to_owned(),
            kind,
            lost: None,
            detail: "why".to_owned(),
        }
    }

    fn info(text: &str) -> LogLine {
        LogLine::Info(text.to_owned())
    }

    fn warn(text: &str) -> LogLine {
        LogLine::Warn(text.to_owned())
    }

    #[test]
    fn a_source_is_lost_and_back_whatever_number_of_partitions_it_has() {
        use IncidentKind::{Connected, Disconnected, Failed};
        let (mut journal, start) = (Journal::default(), Instant::now());
        let mut tell = |partition: &str, kind, secs, behind| {
            let now = start + Duration::from_secs(secs);
            journal.incident(&incident(partition, kind), || behind, now)
        };
        assert_eq!(tell("p0", Connected, 0, None), [], "it is connected first");
        assert_eq!(tell("p0", Disconnected, 1, None), [warn("a: p0: disconnected: why")]);
        let back = info("a: p0: connected again after 12.0 s: why; 7 rows wait to be read");
        assert_eq!(tell("p0", Connected, 13, Some(7)), [back]);

        let names: Vec<String> = (0..1_000).map(|number| format!("p{number}")).collect();
        let lost: Vec<_> =
            names.iter().flat_map(|name| tell(name, Disconnected, 100, None)).collect();
        assert_eq!(lost, [warn("a: p0: disconnected: why")]);
        let back: Vec<_> =
            names.iter().flat_map(|name| tell(name, Connected, 130, Some(0))).collect();
        let all = info("a: all partitions are connected again after 30 s, 1000 times");
        assert_eq!(back, [info("a: p0: connected again after 30.0 s: why"), all]);
        let more = warn("a: p5: disconnected: why (999 more since the last line)");
        assert_eq!(tell("p5", Disconnected, 131, None), [more]);
        assert_eq!(tell("p5", Failed, 131, None), []);
        let failed = "a: p5: cannot be read, and is tried again: why (1 more since the last line)";
        assert_eq!(tell("p5", Failed, 141, None), [warn(failed)]);
        let back = tell("p5", Connected, 151, None);
        assert_eq!(back[0], info("a: p5: connected again after 20.0 s: why"));
    }

    #[test]
    fn a_warning_names_its_partition_once() {
        let (mut journal, now) = (Journal::default(), Instant::now());
        let other = IncidentRow {
            detail: "b.csv is cut".to_owned(),
            ..incident("a.csv", IncidentKind::Warning)
        };
        let own = IncidentRow { partition: "b.csv".to_owned(), ..other.clone() };
        assert_eq!(journal.incident(&other, || None, now), [warn("a: a.csv: b.csv is cut")]);
        let later = now + Duration::from_secs(1);
        assert_eq!(journal.incident(&own, || None, later), [warn("a: b.csv is cut")]);
    }

    #[test]
    fn dead_letters_are_told_by_source_and_reason() {
        let (mut journal, start) = (Journal::default(), Instant::now());
        let letter = |source: &str, reason, position| DeadLetterRow {
            commit: Commit(1),
            source: source.to_owned(),
            partition: "t.csv".to_owned(),
            position,
            rejection: Rejection::new(reason, "no number", b"x,y"),
        };
        use RejectionReason::{BadPrice, BadTime};
        let bad: Vec<_> = (2..500).map(|position| letter("a", BadPrice, position)).collect();
        let mut tell = |letters: &[DeadLetterRow], secs| {
            journal.dead_letters(letters, start + Duration::from_secs(secs))
        };
        let first = warn("a: dead letters (bad_price), such as t.csv 2: no number: x,y");
        assert_eq!(tell(&bad, 0), [first]);
        let others = [letter("a", BadTime, 9), letter("b", BadPrice, 9), letter("a", BadPrice, 9)];
        let time = warn("a: dead letters (bad_time), such as t.csv 9: no number: x,y");
        let other = warn("b: dead letters (bad_price), such as t.csv 9: no number: x,y");
        assert_eq!(tell(&others, 0), [time, other]);
        let more = "a: dead letters (bad_price), such as t.csv 2: no number: x,y (498 more since the last line)";
        assert_eq!(tell(&bad[..1], 5), [warn(more)]);
        let quiet = |journal: &mut Journal, secs| journal.quiet(start + Duration::from_secs(secs));
        assert_eq!(quiet(&mut journal, 59), []);
        let over = ["a: no more dead letters (bad_time), after 0 ms, once"];
        let over = [over[0], "b: no more dead letters (bad_price), after 0 ms, once"];
        assert_eq!(quiet(&mut journal, 60), over.map(info));
        let over = info("a: no more dead letters (bad_price), after 5 s, 500 times");
        assert_eq!(quiet(&mut journal, 70), [over]);
        assert_eq!(quiet(&mut journal, 500), []);
    }

    /// A position packs an entry's id; people look for the id.
    #[test]
    fn dead_letters_are_told_where_their_server_has_them() {
        let place = |original: Option<&str>| {
            let mut rejection = Rejection::new(RejectionReason::BadTime, "x", b"");
            rejection.original = original.map(Box::from);
            place(&rejection, 7)
        };
        assert_eq!(place(Some(r#"{"id":"1795222806962-3","fields":[]}"#)), "1795222806962-3");
        assert_eq!(place(Some(r#"{"offset":12,"key":null}"#)), "offset 12");
        assert_eq!((place(None), place(Some("{}"))), ("7".to_owned(), "7".to_owned()));
    }

    #[test]
    fn warnings_of_a_replay_are_told_once_and_name_their_file_once() {
        let mut journal = Journal::default();
        let warning = |detail: &str| IncidentRow {
            detail: detail.to_owned(),
            ..incident("t.csv", IncidentKind::Warning)
        };
        let told = Some(warn("t.csv: why"));
        assert_eq!(journal.warning_of_replay(&warning("t.csv: why")), told);
        assert_eq!(journal.warning_of_replay(&warning("why")), None);
        let lines = journal.incident(&warning("t.csv: why"), || None, Instant::now());
        assert_eq!(lines, [warn("a: t.csv: why")]);
        let many = (0..2 * WARNINGS_MAX).map(|n| warning(&n.to_string()));
        let told: Vec<_> = many.filter_map(|own| journal.warning_of_replay(&own)).collect();
        assert_eq!(told.len(), WARNINGS_MAX - 1);
    }

    #[test]
    fn readiness_is_told_when_it_changes() {
        let (mut journal, start) = (Journal::default(), Instant::now());
        let mut tell = |why: Option<&str>, secs| {
            let readiness = why.map_or(Readiness::Ready, |why| Readiness::NotYet(why.to_owned()));
            journal.readiness(&readiness, start + Duration::from_secs(secs))
        };
        assert_eq!(tell(Some("not reached"), 0), None, "it never was");
        assert_eq!(tell(None, 1), Some(info("ready")));
        assert_eq!(tell(None, 2), None);
        assert_eq!(tell(Some("full"), 3), Some(warn("not ready any more: full")));
        assert_eq!(tell(Some("full"), 4), None);
        assert_eq!(tell(None, 10), Some(info("ready again after 7 s, once")));
    }
}
