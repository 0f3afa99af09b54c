//! What a run came to, in words or as JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::print_last;
use crate::stderr::problem;
use dataflows::delivery::Undelivered;
use dataflows::run::Report;
use market::plural;

/// If more was refused than may be, says so on standard error, with the main reason and what helps. That is a failure
/// unless the run is `lenient`; returns whether it is one.
pub(super) fn fails_by_refusals(report: &Report, lenient: bool) -> bool {
    let Some(problem) = report.refusals.problem() else { return false };
    problem!("{problem}");
    !lenient
}

/// If a sink has failed, says so on standard error; returns whether one has.
pub(super) fn fails_by_sinks(report: &Report) -> bool {
    for Undelivered { sink, view, error } in &report.undelivered {
        problem!("`{view}` was not delivered whole to `{sink}`: {error}");
    }
    !report.undelivered.is_empty()
}

/// If the recording is not whole, says so on standard error; returns whether that is so.
pub(super) fn fails_by_recording(report: &Report) -> bool {
    if let Some(why) = &report.unrecorded {
        problem!("the run was not recorded to its end: {why}");
    }
    report.unrecorded.is_some()
}

/// Prints the summary of a run; `what` is what it did, such as `replayed`.
pub(super) fn print_report(what: &str, report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        return print_last(format!("{}\n", serde_json::to_string(&as_json(report))?));
    }
    print_last(in_words(what, report)?)
}

fn in_words(what: &str, report: &Report) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let totals = &report.totals;
    let secs = report.elapsed.as_secs_f64();
    writeln!(
        text,
        "{what} {} in {}{} and {secs:.2} s ({:.0} records/s){}",
        plural(totals.records, "record"),
        plural(report.commits - report.restored, "commit"),
        match report.restored {
            0 => String::new(),
            restored => format!(" after {restored} of earlier starts"),
        },
        totals.records as f64 / secs.max(1e-9),
        match (report.complete, report.cut, report.refusals.truncated) {
            (false, ..) => "; stopped before the end",
            (true, true, _) => "; the recording was cut, this is all up to its last whole commit",
            (true, false, 0) => "",
            (true, false, _) => "; a part of the input broke off",
        }
    )?;
    writeln!(
        text,
        "  accepted {} (corrections {}, cancels {})  duplicates {}  conflicts {}  late {}  unmatched {}  outliers {}  dead letters {}\n  alerts raised {}  withdrawn {}",
        totals.accepted,
        totals.corrections,
        totals.cancels,
        totals.duplicates,
        totals.conflicts,
        totals.late,
        totals.unmatched,
        totals.outliers,
        totals.dead,
        totals.alerts_raised,
        totals.alerts_withdrawn
    )?;
    for text_of_scope in &report.refusals.reused_in {
        writeln!(text, "  {text_of_scope}")?;
    }
    refused(report, &mut text)?;
    bars(report, &mut text)?;
    let views = report.views.iter().filter(|(_, rows, digest)| *rows > 0 || digest.is_some());
    for (view, rows, digest) in views {
        write!(text, "  {view:<13} {}", plural(*rows, "row"))?;
        if let Some(digest) = digest {
            write!(text, "  changes {}  rows {}", digest.changes, digest.rows)?;
        }
        text.push('\n');
    }
    if let Some((folder, files)) = &report.files {
        let names: Vec<_> = files
            .iter()
            .map(|file| format!("{} ({})", file.name, plural(file.rows, "row")))
            .collect();
        writeln!(text, "  written to {}: {}", folder.display(), names.join(", "))?;
    }
    Ok(text)
}

/// What was refused, by reason, with an example of the most frequent.
fn refused(report: &Report, text: &mut String) -> std::fmt::Result {
    let refusals = &report.refusals;
    if refusals.reasons.is_empty() {
        return Ok(());
    }
    let reasons: Vec<_> =
        refusals.reasons.iter().map(|(reason, rows)| format!("{reason} {rows}")).collect();
    write!(text, "  refused: {}", reasons.join(", "))?;
    if let Some(example) = &refusals.example {
        write!(text, "; for example {example}")?;
    }
    text.push('\n');
    Ok(())
}

/// What its bars come to.
fn bars(report: &Report, text: &mut String) -> std::fmt::Result {
    let Some(summary) = &report.bars else { return Ok(()) };
    let Some((first, last)) = summary.span else { return Ok(()) };
    let bars: Vec<_> =
        summary.bars.iter().map(|(timeframe, bars)| format!("{timeframe} {bars}")).collect();
    let (first, last) = (first.rfc3339(), last.rfc3339());
    let instruments = plural(summary.instruments, "instrument");
    writeln!(text, "  bars of {instruments} from {first} to {last}: {}", bars.join(", "))
}

fn as_json(report: &Report) -> Value {
    let totals = &report.totals;
    let views = report.views.iter().map(|(view, rows, digest)| {
        let mut about = Map::new();
        about.insert("rows".to_owned(), json!(rows));
        if let Some(digest) = digest {
            about.insert("changes_digest".to_owned(), json!(digest.changes.to_string()));
            about.insert("rows_digest".to_owned(), json!(digest.rows.to_string()));
        }
        ((*view).to_owned(), Value::Object(about))
    });
    let undelivered = report.undelivered.iter().map(|own| {
        let Undelivered { sink, view, error } = own;
        json!({ "sink": sink, "view": view, "error": error })
    });
    json!({
        "run": report.run.to_string(),
        "records": totals.records,
        "accepted": totals.accepted,
        "corrections": totals.corrections,
        "cancels": totals.cancels,
        "duplicates": totals.duplicates,
        "conflicts": totals.conflicts,
        "late": totals.late,
        "unmatched": totals.unmatched,
        "outliers": totals.outliers,
        "dead": totals.dead,
        "refused": report.refusals.rows,
        "truncated": report.refusals.truncated,
        "reused_ids": report.refusals.reused,
        "alerts_raised": totals.alerts_raised,
        "alerts_withdrawn": totals.alerts_withdrawn,
        "commits": report.commits,
        "restored": report.restored,
        "elapsed_s": report.elapsed.as_secs_f64(),
        "complete": report.complete,
        "cut": report.cut,
        "reasons": Value::Object(report.refusals.reasons.iter().map(|(r, n)| ((*r).to_owned(), json!(n))).collect()),
        "undelivered": undelivered.collect::<Vec<_>>(),
        "unrecorded": report.unrecorded,
        "views": Value::Object(views.collect()),
    })
}
