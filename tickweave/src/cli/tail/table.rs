//! Rows on a terminal, drawn again in place when they change.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use console::Alignment::{Left, Right};
use console::{Term, measure_text_width, pad_str, style, truncate_str};
use market::printable;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::{Message, View};

/// The rows that changed last, in the order of their keys.
pub(super) struct Table {
    term: Term,
    title: String,
    /// The most rows, if configured; otherwise as many as fit.
    limit: Option<usize>,
    view: Option<View>,
    columns: Vec<String>,
    rows: BTreeMap<Key, Row>,
    /// By when they changed (a number that grows), the keys.
    changed: BTreeMap<u64, Key>,
    changes: u64,
    /// How far the rows go.
    frontier: String,
    /// Why nothing comes, if so.
    lost: Option<String>,
    drawn: Option<Drawn>,
}

/// The texts of the key columns; of a log, the number of the row.
type Key = Vec<String>;

struct Row {
    cells: Vec<String>,
    change: u64,
    /// Not set for rows of a snapshot.
    changed_at: Option<Instant>,
}

/// What stands on the screen.
struct Drawn {
    at: Instant,
    lines: usize,
}

/// A row that changed is lit for this long.
const LIT: Duration = Duration::from_secs(1);
/// Drawn at most this often.
const EVERY: Duration = Duration::from_millis(100);
/// Beyond what a screen can show.
const ROWS_MOST: usize = 1_000;
/// Cells are cut at this width.
const CELL_WIDTH: usize = 40;

impl Table {
    pub(super) fn new(term: Term, title: String, limit: Option<usize>) -> Table {
        Table {
            term,
            title,
            limit,
            view: None,
            columns: Vec::new(),
            rows: BTreeMap::new(),
            changed: BTreeMap::new(),
            changes: 0,
            frontier: String::new(),
            lost: None,
            drawn: None,
        }
    }

    /// Shows rows of `view` from now on: its key, and those of the other columns that `fields` names.
    pub(super) fn of(&mut self, view: View, fields: Option<&str>) -> std::io::Result<()> {
        let wanted = |name: &str| {
            fields.is_none_or(|fields| fields.split(',').any(|field| field.trim() == name))
        };
        let columns = view.columns.iter().map(|column| &column.name);
        let columns = columns.filter(|name| view.key.contains(name) || wanted(name));
        self.columns = columns.cloned().collect();
        self.view = Some(view);
        self.lost = None;
        self.draw()
    }

    /// Applies a message, and draws if it is time to.
    pub(super) fn apply(&mut self, message: &Message) -> anyhow::Result<()> {
        let now = Instant::now();
        if message.kind == "snapshot" && message.part == 0 {
            self.rows.clear();
            self.changed.clear();
        }
        for row in &message.rows {
            self.put(row, None)?;
        }
        for key in &message.deletes {
            let cells = object(key)?;
            let key = self.key(&cells);
            if let Some(row) = self.rows.remove(&key) {
                self.changed.remove(&row.change);
            }
        }
        for row in &message.upserts {
            self.put(row, Some(now))?;
        }
        let commit = message.frontier.commit.map_or_else(|| "none".to_owned(), |n| n.to_string());
        let at = message.frontier.at.get(..23).unwrap_or(&message.frontier.at); // to the millisecond
        self.frontier = format!("commit {commit}, {at}");
        self.lost = None;
        if self.drawn.as_ref().is_none_or(|drawn| drawn.at.elapsed() >= EVERY) {
            self.draw()?;
        }
        Ok(())
    }

    /// Says that nothing comes at the moment.
    pub(super) fn lost(&mut self, why: &str) -> std::io::Result<()> {
        self.lost = Some(why.to_owned());
        self.draw()
    }

    fn put(&mut self, row: &RawValue, changed_at: Option<Instant>) -> anyhow::Result<()> {
        let row = object(row)?;
        let key = self.key(&row);
        let cells = self.columns.iter().map(|name| text(row.get(name))).collect();
        self.changes += 1;
        let change = self.changes;
        if let Some(before) = self.rows.insert(key.clone(), Row { cells, change, changed_at }) {
            self.changed.remove(&before.change);
        }
        self.changed.insert(change, key);
        if self.rows.len() > self.limit.unwrap_or(ROWS_MOST).min(ROWS_MOST)
            && let Some((_, oldest)) = self.changed.pop_first()
        {
            self.rows.remove(&oldest);
        }
        Ok(())
    }

    fn key(&self, row: &HashMap<String, Value>) -> Key {
        match &self.view {
            Some(view) if view.kind != "log" => {
                view.key.iter().map(|name| text(row.get(name))).collect()
            }
            // Rows of a log are never sent again.
            _ => vec![format!("{:020}", self.changes)],
        }
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let (height, width) = self.term.size();
        let (height, width) = (usize::from(height), usize::from(width));
        let room = height.saturating_sub(4).max(1);
        // Those that changed last, in the order of their keys.
        let oldest = self.changed.keys().rev().nth(room - 1).copied().unwrap_or(0);
        let rows: Vec<&Row> = self.rows.values().filter(|row| row.change >= oldest).collect();
        let widths = self.widths(&rows);
        let fit = widths.iter().scan(0, |used, width| {
            *used += width + 2;
            Some(*used)
        });
        let fit = fit.take_while(|used| *used <= width + 2).count().max(1).min(widths.len());

        let mut lines = vec![self.head(fit)];
        let names = self.columns.iter().map(String::as_str);
        lines.push(style(line(names.zip(&widths).take(fit), width, Left)).dim().to_string());
        for row in rows {
            let cells = row.cells.iter().map(String::as_str);
            let text = line(cells.zip(&widths).take(fit), width, Right);
            let lit = row.changed_at.is_some_and(|at| at.elapsed() < LIT);
            lines.push(if lit { style(text).yellow().bold().to_string() } else { text });
        }
        let before = self.drawn.as_ref().map_or(0, |drawn| drawn.lines);
        // One write, from the first line on: nothing flickers.
        let mut out = if before > 0 { format!("\r\x1b[{before}A") } else { String::new() };
        for line in &lines {
            let cut = truncate_str(line, width, "…");
            out.push_str(&format!("{cut}\x1b[K\n"));
        }
        out.push_str("\x1b[J");
        self.term.write_str(&out)?;
        self.drawn = Some(Drawn { at: Instant::now(), lines: lines.len() });
        Ok(())
    }

    /// What is shown, and how far it goes.
    fn head(&self, fit: usize) -> String {
        let title = style(&self.title).bold();
        let state = match &self.lost {
            Some(why) => style(why.clone()).red().to_string(),
            None => style(&self.frontier).dim().to_string(),
        };
        let all = self.columns.len();
        let cut = match fit < all {
            true => format!("  {fit} of {all} columns fit: choose by --fields"),
            false => String::new(),
        };
        format!("{title}  {state}{}", style(cut).dim())
    }

    fn widths(&self, rows: &[&Row]) -> Vec<usize> {
        let widest = |(at, name): (usize, &String)| {
            let cells = rows.iter().filter_map(|row| row.cells.get(at));
            let widest = cells.map(|cell| measure_text_width(cell)).max().unwrap_or(0);
            widest.max(name.len()).min(CELL_WIDTH)
        };
        self.columns.iter().enumerate().map(widest).collect()
    }
}

/// Cells beside each other; numbers are right-aligned if `numbers` says so.
fn line<'a>(
    cells: impl Iterator<Item = (&'a str, &'a usize)>,
    width: usize,
    numbers: console::Alignment,
) -> String {
    let cells = cells.map(|(cell, width)| {
        let is_number = cell.parse::<f64>().is_ok();
        let align = if is_number { numbers } else { Left };
        pad_str(&truncate_str(cell, *width, "…"), *width, align, None).into_owned()
    });
    let line = cells.collect::<Vec<_>>().join("  ");
    truncate_str(&line, width, "…").into_owned()
}

fn object(row: &RawValue) -> serde_json::Result<HashMap<String, Value>> {
    serde_json::from_str(row.get())
}

/// The most characters of a cell; a terminal is narrower.
const CELL_CHARS: usize = 1_000;

/// A cell as text, which nothing in it can make move the cursor.
fn text(cell: Option<&Value>) -> String {
    let text = match cell {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    printable(&text, CELL_CHARS)
}
