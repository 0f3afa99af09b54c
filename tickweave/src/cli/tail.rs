//! `tickweave tail`: a view of a running job, followed in a terminal.
//!
//! A client like any other: it knows a server's address and the public interface, nothing else. Reading
//! order: [`Tail`] (what is followed, again and again) → `wire` (the connection and its messages) → `table`
//! (rows on a terminal).

mod table;
mod wire;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use console::Term;
use node_api::Throttle;
use serde_json::json;
use serde_json::value::RawValue;

use self::table::Table;
use self::wire::{Events, Message, Server, encoded};
use super::Outcome;

pub(super) use self::wire::Refused;

/// Follow a view of a running job: a live table on a terminal, elsewhere a line of JSON per change.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave tail candles demo:ALFA --timeframe 1m
  tickweave tail revisions --where cause=correction,cancel | jq .

Where there are keys, the variable TICKWEAVE_KEY has one with the scope `read`.")]
pub(super) struct Tail {
    /// The view, such as candles or revisions; `curl URL/v1/views` lists all.
    view: String,
    /// Instruments, such as binance:BTCUSDT [default: all].
    symbol: Vec<String>,
    /// Only these timeframes, separated by commas.
    #[arg(long, value_name = "TIMEFRAME")]
    timeframe: Option<String>,
    /// Where the job is served.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Only rows with one of these values in a column; may be repeated for other columns.
    #[arg(long = "where", value_name = "COLUMN=VALUE,…", value_parser = column_and_values)]
    filter: Vec<(String, String)>,
    /// Only these columns besides the key, separated by commas.
    #[arg(long, value_name = "COLUMN,…")]
    fields: Option<String>,
    /// At most N rows: in the table, and of what logs hold already [default: what fits, or 10 of a log].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    limit: Option<u32>,
}

/// Pauses between attempts to connect again: the first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Rows of a log that were there before, unless asked otherwise.
const LOG_ROWS: u32 = 10;

/// Where what comes is shown.
enum Shown {
    /// A line per change, on standard output; what goes wrong is logged, but not each time.
    Lines(Throttle),
    /// In place.
    Table(Box<Table>),
}

impl Tail {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let in_place = !json && io::stdout().is_terminal();
        match runtime.block_on(self.follow(in_place)) {
            // Whoever read this reads no more.
            Err(error) if is_broken_pipe(&error) => Ok(Outcome::Done),
            followed => followed,
        }
    }

    /// Follows for ever. What fails at first is an error; what fails later is tried again.
    async fn follow(&self, in_place: bool) -> anyhow::Result<Outcome> {
        let server = Server::read(&self.url)?;
        let path = format!("/stream?{}", self.query(in_place));
        let mut shown = if in_place {
            let title = format!("{} {}", self.view, self.symbol.join(" "));
            let rows = self.limit.map(|limit| limit as usize);
            Shown::Table(Box::new(Table::new(Term::stdout(), title, rows)))
        } else {
            Shown::Lines(Throttle::default())
        };
        let (mut last_id, mut pause) = (None, None);
        loop {
            let ended = match self.connect(&server, &path, last_id.as_deref(), &mut shown).await {
                Ok(mut events) => {
                    pause = Some(PAUSE.0);
                    shown.found();
                    let ended = follow(&mut events, &mut shown).await?;
                    last_id = events.last_id.or(last_id);
                    ended
                }
                // A server that has just come up may not know the view's instruments yet.
                Err(error) if pause.is_some() => error,
                Err(error) => return Err(error),
            };
            let next = pause.unwrap_or(PAUSE.0);
            shown.lost(&format!("{ended:#}; trying again"))?;
            tokio::time::sleep(next).await;
            pause = Some((next * 2).min(PAUSE.1));
        }
    }

    async fn connect(
        &self,
        server: &Server,
        path: &str,
        last_id: Option<&str>,
        shown: &mut Shown,
    ) -> anyhow::Result<Events> {
        let events = server.events(path, last_id).await?;
        if let Shown::Table(table) = shown {
            let view = server.view(&self.view).await?;
            let fields = self.fields.as_deref();
            table.of(view, fields)?;
        }
        Ok(events)
    }

    /// The query of `/stream`.
    fn query(&self, in_place: bool) -> String {
        let mut pairs = vec![("view", self.view.clone())];
        if !self.symbol.is_empty() {
            pairs.push(("symbol", self.symbol.join(",")));
        }
        pairs.extend(self.timeframe.clone().map(|timeframe| ("timeframe", timeframe)));
        pairs.extend(self.fields.clone().map(|fields| ("fields", fields)));
        pairs.push(("limit", self.limit.unwrap_or(LOG_ROWS).to_string()));
        if in_place {
            // A table shows exact text, and nobody reads faster.
            pairs.extend([("numbers", "string".to_owned()), ("conflate_ms", "200".to_owned())]);
        }
        pairs.extend(self.filter.iter().map(|(column, values)| (&**column, values.clone())));
        let pairs =
            pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// Shows what comes until the connection ends; gives why it did.
async fn follow(events: &mut Events, shown: &mut Shown) -> anyhow::Result<anyhow::Error> {
    loop {
        let message = match events.next().await {
            Ok(message) => message,
            Err(error) => return Ok(error),
        };
        match shown {
            Shown::Lines(_) => lines(&message)?,
            Shown::Table(table) => table.apply(&message)?,
        }
    }
}

/// Writes each change as a line: `{"type":"snapshot|upsert|delete|resync","commit":…,"row"|"key"|"reason":…}`.
fn lines(message: &Message) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let commit = json!(message.frontier.commit);
    let mut each = |kind: &str, field: &str, rows: &[Box<RawValue>]| {
        rows.iter().try_for_each(|row| {
            writeln!(out, r#"{{"type":"{kind}","commit":{commit},"{field}":{row}}}"#)
        })
    };
    each("snapshot", "row", &message.rows)?;
    each("delete", "key", &message.deletes)?;
    each("upsert", "row", &message.upserts)?;
    if let Some(reason) = &message.reason {
        let reason = json!(reason);
        writeln!(out, r#"{{"type":"resync","commit":{commit},"reason":{reason}}}"#)?;
    }
    out.flush().context("cannot write to standard output")
}

impl Shown {
    /// Says that nothing comes at the moment, and why.
    fn lost(&mut self, why: &str) -> anyhow::Result<()> {
        match self {
            Shown::Lines(losses) => {
                if let Some(told) = losses.happened(Instant::now()) {
                    tracing::warn!("{why}{told}");
                }
            }
            Shown::Table(table) => table.lost(why)?,
        }
        Ok(())
    }

    /// Something comes again, or for the first time.
    fn found(&mut self) {
        if let Shown::Lines(losses) = self
            && let Some(over) = losses.over(Instant::now())
        {
            tracing::info!("it is followed again {over}");
        }
    }
}

fn column_and_values(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, values)) if !column.is_empty() => Ok((column.to_owned(), values.to_owned())),
        _ => Err("write it as column=value".to_owned()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
