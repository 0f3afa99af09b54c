//! What a run has refused of its input, and whether that is more than it may be.

use market::{Catalog, RejectionReason, printable};
use rows::{Cell, View, cell_text};

use crate::publish::BoardReader;
use crate::telemetry::{Metrics, ReusedIds};
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

/// Names of the reasons that are no [`RejectionReason`].
const TOO_LATE: &str = "too_late";
const CONFLICT: &str = "conflict";

impl Refusals {
    /// Of a run whose commits are complete.
    pub(super) fn of(
        metrics: &Metrics,
        share_max: f64,
        reader: &BoardReader,
        catalog: &Catalog,
    ) -> Refusals {
        let totals = metrics.totals();
        let reused = metrics.reused_ids();
        let dead = RejectionReason::ALL.map(|reason| (reason.name(), metrics.dead_of(reason)));
        let mut reasons = vec![(TOO_LATE, totals.late), (CONFLICT, totals.conflicts)];
        reasons.extend(dead);
        reasons.retain(|(_, rows)| *rows > 0);
        reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let main = reasons.first().copied();
        let rows = totals.late + totals.conflicts + totals.dead;
        Refusals {
            rows,
            of: totals.records.max(rows),
            share_max,
            truncated: metrics.dead_of(RejectionReason::Truncated),
            main,
            reasons,
            example: main.and_then(|(reason, _)| example(reason, reader, catalog)),
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
        text += &format!(". {}", cure(reason));
        if *rows as f64 > share_max * *of as f64 {
            text += &format!("; `job.refused_share` = {share_max} may be");
        }
        Some(text)
    }
}

/// The first row that is kept of those refused for a reason: column by column, cut.
fn example(reason: &'static str, reader: &BoardReader, catalog: &Catalog) -> Option<String> {
    let view: View = match reason {
        TOO_LATE => TooLateLog::VIEW,
        CONFLICT => ConflictLog::VIEW,
        _ => DeadLetterLog::VIEW,
    };
    let of_reason = view.column("reason").filter(|_| view.name == DeadLetterLog::VIEW.name);
    let found = reader.each_of_log(&view, |cells| {
        let is_it = of_reason.is_none_or(|column| cells[column] == Cell::Word(reason));
        if !is_it {
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
