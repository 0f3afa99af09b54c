//! What a run has refused of its input, and whether that is more than it may be.

use market::{Catalog, printable};
use rows::{Cell, View, cell_text};

use super::counts::{CONFLICT, Counts, TOO_LATE};
use crate::publish::BoardReader;
use crate::telemetry::ReusedIds;
use crate::views::kinds::LogView;
use crate::views::{ConflictLog, DeadLetterLog, TooLateLog};

/// What a run has refused: dead letters, trades that came too late, and copies that say something else than the one
/// that counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refusals {
    /// How many rows.
    pub rows: u64,
    /// Of how many.
    pub of: u64,
    /// The share that may be refused: `job.refused_share`.
    pub share_max: f64,
    /// How many partitions broke off: what follows there was never read.
    pub truncated: u64,
    /// The most frequent reason and its number of rows; none if nothing was refused.
    pub main: Option<(&'static str, u64)>,
    /// Whether most of these were posted by clients.
    pub is_posted: bool,
    /// All reasons for which rows were refused, the most frequent first.
    pub reasons: Vec<(&'static str, u64)>,
    /// A row that was refused for the first, if one is kept.
    pub example: Option<String>,
    /// Conflicts that are none: trades with ids that are used again.
    pub reused: u64,
    /// What that is about, scope by scope, and what helps.
    pub reused_in: Vec<String>,
}

/// The most characters of an example.
const EXAMPLE_CHARS: usize = 200;

impl Refusals {
    /// Of a run whose commits are complete, the first of them with the number `first`.
    pub(super) fn of(
        counts: &Counts,
        first: u64,
        share_max: f64,
        reader: &BoardReader,
        catalog: &Catalog,
    ) -> Refusals {
        let Counts { totals, reused, truncated, .. } = counts;
        let mut refused = counts.refused.clone();
        refused.retain(|own| own.rows > 0);
        refused.sort_by_key(|own| std::cmp::Reverse(own.rows));
        let main = refused.first();
        let rows = totals.late + totals.conflicts + totals.dead;
        Refusals {
            rows,
            of: totals.records.max(rows),
            share_max,
            truncated: *truncated,
            main: main.map(|own| (own.reason, own.rows)),
            is_posted: main.is_some_and(|own| 2 * own.posted > own.rows),
            reasons: refused.iter().map(|own| (own.reason, own.rows)).collect(),
            example: main.and_then(|own| example(own.reason, first, reader, catalog)),
            reused: reused.iter().map(|scope| scope.conflicts).sum(),
            reused_in: reused.iter().map(|scope: &ReusedIds| scope.text(catalog)).collect(),
        }
    }

    /// Whether more is refused than may be, or something could not be read to its end.
    pub fn are_too_many(&self) -> bool {
        self.truncated > 0 || self.rows as f64 > self.share_max * self.of as f64
    }

    /// What is wrong and what helps, if they are too many.
    pub fn problem(&self) -> Option<String> {
        let (reason, most) = self.main.filter(|_| self.are_too_many())?;
        let Refusals { rows, of, share_max, truncated, .. } = self;
        let mut text = match truncated {
            0 => String::new(),
            1 => "a file or stream broke off, and what followed is not read; ".to_owned(),
            _ => format!("{truncated} files or streams broke off, and what followed is not read; "),
        };
        let percent = 100.0 * *rows as f64 / (*of).max(1) as f64;
        text +=
            &format!("{rows} of {of} rows ({percent:.1} %) were refused, {most} of them: {reason}");
        if let Some(example) = &self.example {
            text += &format!("; for example {example}");
        }
        let cure = if self.is_posted { cure_of_posted(reason) } else { cure(reason) };
        text += &format!(". {cure}");
        if *rows as f64 > share_max * *of as f64 {
            text += &format!("; `job.refused_share` = {share_max} may be");
        }
        Some(text)
    }
}

/// The first row that is kept of those refused for a reason in a commit from `first` on: column by column, cut.
fn example(
    reason: &'static str,
    first: u64,
    reader: &BoardReader,
    catalog: &Catalog,
) -> Option<String> {
    let view: View = match reason {
        TOO_LATE => TooLateLog::VIEW,
        CONFLICT => ConflictLog::VIEW,
        _ => DeadLetterLog::VIEW,
    };
    let commit = view.column("commit");
    let is_new = |cells: &[Cell]| {
        commit.is_none_or(|commit| matches!(cells[commit], Cell::Unsigned(own) if own >= first))
    };
    let of_reason = view.column("reason").filter(|_| view.name == DeadLetterLog::VIEW.name);
    let found = reader.each_of_log(&view, |cells| {
        let is_it = of_reason.is_none_or(|column| cells[column] == Cell::Word(reason));
        if !is_it || !is_new(cells) {
            return Ok(());
        }
        let names = view.columns.iter().map(|column| column.name);
        let texts = names.zip(cells).map(|(name, cell)| (name, cell_text(cell, catalog)));
        let texts = texts.filter(|(_, text)| !text.is_empty());
        Err(texts.map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" "))
    });
    let text = found.err()?;
    Some(printable(&text, EXAMPLE_CHARS))
}

/// What helps against rows that are refused for a reason.
pub(super) fn cure(reason: &str) -> &'static str {
    match reason {
        TOO_LATE => {
            "Files are read in the order of their times by commit.file_order = \"time\" (--order time); how late a trade \
             may come say `disorder` (--disorder) and `job.reject_after` (--reject-after), and `historic` (--historic) that \
             nothing is late"
        }
        CONFLICT => {
            "`id_scope` says where ids name the same trade, `id` which columns hold them, and `id_period` when they begin \
             anew (--id-scope, --id, --id-period)"
        }
        "malformed" => {
            "`format`, `csv.delimiter` and `rows` say how lines hold columns (--format, --delimiter, --rows)"
        }
        "missing_field" | "bad_field" => {
            "`columns` say where fields are (--time, --price, --size, --id, …), and `kinds` (--kinds) what words mean"
        }
        "bad_time" => "`units` say how times are written (--time-unit, --time-format, --time-zone)",
        "bad_price" | "bad_size" | "notional_too_large" => {
            "`[[instrument]]` says how many decimals prices and sizes have (--price-scale, --size-scale), and `units` how \
             numbers are written (--decimal-mark, --grouping, --accounting)"
        }
        "price_not_positive" => "`negative_prices` (--negative-prices) allows such prices",
        "unknown_symbol" => "`instrument` says which instrument a symbol is",
        "bad_instrument" => "`limits.instruments` (--max-instruments) says how many there may be",
        "time_ahead" => {
            "`job.not_after` (files, --not-after) and `job.max_clock_ahead` (live) say how far ahead a time may be"
        }
        "truncated" => "Get the file anew, or read the stream from its position",
        _ => "The view `dead_letters` has each with its reason",
    }
}

/// What helps against rows that clients posted and that are refused for a reason.
fn cure_of_posted(reason: &str) -> &'static str {
    match reason {
        TOO_LATE => {
            "Clients posted them: `http.grace` says how long rows of clients are waited for (\"forever\" where they send \
             the past), and `job.reject_after` how late a trade may come"
        }
        CONFLICT => {
            "Clients posted them: an id names one trade; to change a trade, post a `correct` with its id in `of`"
        }
        "bad_instrument" => cure(reason),
        _ => {
            "Clients posted them: the answer of each post names its refused rows and why; docs/http.md (Posting rows) \
             has the fields of each type"
        }
    }
}
