//! Which changes of a batch are told.

use market::{Commit, EventTime, Span, TimeUnit, Timeframe};

use super::ALERTS;
use super::config::NotifySettings;
use super::notice::{Notice, NoticeKind, event_id};
use super::row::TextRow;
use super::told::Told;
use crate::sink::{BatchKind, EarlierStarts, SinkBatch, SinkRecord};

/// What was told before a batch.
pub(super) struct Before<'a> {
    /// The starts before this one.
    pub(super) earlier: &'a EarlierStarts,
    /// The commit up to which everything was delivered.
    pub(super) through: Option<Commit>,
    /// The alerts that were told.
    pub(super) told: &'a Told,
}

/// What is told of a batch, in its order.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) notices: Vec<Notice>,
    /// Changes that would be told if they were not so old.
    pub(super) skipped: u64,
}

/// Whether a change is told.
enum Verdict {
    Tell(NoticeKind, Commit),
    /// It is too old, or what it takes back was never told.
    Skip,
    /// It is not what the sink tells.
    Nothing,
}

/// Selects the changes of a batch that are told.
pub(super) fn select(
    settings: &NotifySettings,
    batch: &SinkBatch<'_>,
    before: &Before<'_>,
) -> Selected {
    let mut selected = Selected::default();
    for record in batch.records {
        let row = record.now.as_deref().or(record.before.as_deref()).map(TextRow::of_json);
        let row = row.unwrap_or_default();
        let earlier = record.before.as_deref().map(TextRow::of_json).unwrap_or_default();
        let verdict = match batch.view {
            ALERTS => of_alert(settings, batch, before, record, (&row, &earlier)),
            _ => of_row(settings, batch, before, record, &row),
        };
        match verdict {
            Verdict::Tell(kind, commit) => {
                let rows = (row, earlier);
                selected.notices.push(notice(batch, before.earlier, record, rows, (kind, commit)));
            }
            Verdict::Skip => selected.skipped += 1,
            Verdict::Nothing => {}
        }
    }
    selected
}

/// An alert: told when it is raised, and when one that was told is withdrawn.
fn of_alert(
    settings: &NotifySettings,
    batch: &SinkBatch<'_>,
    before: &Before<'_>,
    record: &SinkRecord,
    (row, earlier): (&TextRow, &TextRow),
) -> Verdict {
    if record.now.is_none() {
        return Verdict::Nothing; // it is not kept any more, which takes nothing back
    }
    let is_raised = row.text("state") == Some("raised");
    let was_raised = earlier.text("state") == Some("raised");
    let last = Commit(row.number("last_commit").unwrap_or(batch.commit.0));
    let is_whole = batch.kind != BatchKind::Changes;
    if is_whole && Some(last) <= before.through {
        return Verdict::Nothing; // delivered before
    }
    let is_young = is_young(settings.max_age, batch.at, row);
    match (is_raised, was_raised) {
        (true, false) if is_young => Verdict::Tell(NoticeKind::Raised, last),
        (true, false) => Verdict::Skip,
        (true, true) if settings.updates && is_young => {
            Verdict::Tell(NoticeKind::Updated, batch.commit)
        }
        (true, true) => Verdict::Nothing,
        (false, true) => withdrawal(before, record, row, (last, is_young)),
        // Raised and withdrawn in one batch, or in none of this start's.
        (false, false) if is_whole => withdrawal(before, record, row, (last, is_young)),
        (false, false) => Verdict::Nothing,
    }
}

/// A withdrawal is told, however old its bar is, if the raise was told. If that is not known, since an earlier start
/// raised it, it is told while its bar is young.
fn withdrawal(
    before: &Before<'_>,
    record: &SinkRecord,
    row: &TextRow,
    (last, is_young): (Commit, bool),
) -> Verdict {
    let first = Commit(row.number("first_commit").unwrap_or(last.0));
    let of_earlier = before.earlier.run_of(first).is_some();
    let tells = match before.told.is_told(&record.key) {
        Some(true) => true,
        Some(false) => of_earlier && is_young,
        None => is_young,
    };
    match tells {
        true => Verdict::Tell(NoticeKind::Withdrawn, last),
        false => Verdict::Skip,
    }
}

/// A row of any other view.
fn of_row(
    settings: &NotifySettings,
    batch: &SinkBatch<'_>,
    before: &Before<'_>,
    record: &SinkRecord,
    row: &TextRow,
) -> Verdict {
    // Keys of logs begin with the commit of the row.
    let of_log =
        row.number("commit").filter(|commit| record.key.starts_with(&format!("{commit}|")));
    let told_before = match (batch.kind, of_log.map(Commit)) {
        (BatchKind::Changes, _) => false,
        (_, Some(commit)) => {
            Some(commit) <= before.through || before.earlier.run_of(commit).is_some()
        }
        // Nobody knows when these came; of a job that begins they are new.
        (BatchKind::Snapshot, None) => !before.earlier.starts.is_empty(),
        (BatchKind::Resync, None) => true,
    };
    let commit = of_log.map_or(batch.commit, Commit);
    match (&record.before, &record.now) {
        _ if told_before => Verdict::Skip,
        (None, Some(_)) => Verdict::Tell(NoticeKind::Added, commit),
        (Some(_), None) => Verdict::Tell(NoticeKind::Removed, commit),
        _ if settings.updates => Verdict::Tell(NoticeKind::Updated, commit),
        _ => Verdict::Nothing,
    }
}

/// Whether the bar of an alert ended at most so long before the commit. A bar counts by its nominal length.
pub(super) fn is_young(max_age: Span, at: EventTime, row: &TextRow) -> bool {
    let opened =
        row.text("open_time").and_then(|text| EventTime::parse(text, TimeUnit::Rfc3339).ok());
    let timeframe = row.text("timeframe").and_then(|text| text.parse::<Timeframe>().ok());
    let Some((opened, timeframe)) = opened.zip(timeframe) else { return true };
    opened.after(Span::secs(timeframe.secs().into())) >= at.before(max_age)
}

fn notice(
    batch: &SinkBatch<'_>,
    earlier: &EarlierStarts,
    record: &SinkRecord,
    (row, row_before): (TextRow, TextRow),
    (kind, commit): (NoticeKind, Commit),
) -> Notice {
    let run_of = |commit| earlier.run_of(commit).unwrap_or(batch.run);
    let (run, view, key) = (run_of(commit), batch.view, &record.key);
    let raise = raised_in(kind, &row, &row_before);
    let withdraws =
        raise.map(|commit| event_id((run_of(commit), view), NoticeKind::Raised, commit, key));
    Notice {
        id: event_id((run, view), kind, commit, key),
        kind,
        view: view.to_owned(),
        run: run.to_owned(),
        commit,
        at: batch.at,
        key: key.clone(),
        json: record.now.as_ref().or(record.before.as_ref()).cloned(),
        row,
        json_before: record.before.clone(),
        before: row_before,
        withdraws,
        by_rule: Vec::new(),
    }
}

/// The commit that raised an alert which is withdrawn, if it is known.
fn raised_in(kind: NoticeKind, row: &TextRow, before: &TextRow) -> Option<Commit> {
    let once = || row.number("first_commit").filter(|_| row.number("changes") == Some(2));
    let known = || before.number("last_commit").or_else(once);
    (kind == NoticeKind::Withdrawn).then(known).flatten().map(Commit)
}
