//! `GET /v1/indicators/{symbol}`: numbers of one instrument and timeframe, ascending in time.

use std::sync::Arc;

use market::{EventTime, Instrument, Timeframe};
use warp::Filter;
use warp::reply::Response;

use crate::serve::Context;
use crate::serve::bars::listed;
use crate::serve::format::Line;
use crate::serve::problem::{Problem, TOO_MANY_BARS};
use crate::serve::query::{Known, Query};
use crate::serve::symbol::resolve;
use crate::views::{Cell, Page, Scan, View};

use super::frame::{Form, Frame};
use super::{
    Asked, Endpoint, Entry, LIMIT_DEFAULT, LIMIT_MAX, READ, Route, answered, reads, smallest,
};

pub(super) const ENTRY: Entry = Entry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/indicators/{symbol}",
        doc: "indicators of an instrument; ?timeframe= &name= &output= &from= &to= &limit= &numbers= &format=",
    }],
    route,
};

const PARAMETERS: Known = &[
    &["timeframe", "tf"],
    &["name", "indicator"],
    &["output"],
    &["from"],
    &["to"],
    &["limit"],
    &["numbers"],
    &["format"],
];

/// The view `indicators`.
const INDICATORS: &View = listed("indicators");

/// At most so many rows of the view are read for one answer.
const READ_MAX: usize = 200_000;

/// Which numbers are wanted.
struct Wanted {
    instrument: Arc<Instrument>,
    timeframe: Timeframe,
    /// The labels of indicators and names of outputs, as pairs; all others are passed over.
    numbers: Vec<(String, &'static str)>,
    /// No earlier bars. With it the limit keeps the earliest rows, without it the latest.
    from: Option<EventTime>,
    /// Only earlier bars.
    to: Option<EventTime>,
    limit: usize,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "indicators" / String)
        .and(reads())
        .then(move |symbol: String, asked: Asked| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &symbol, &asked);
                answered(asked.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(context: &Context, symbol: &str, asked: &Asked) -> Result<Response, Problem> {
    let (wanted, form) = read(context, symbol, asked)?;
    if let Some(unchanged) = form.unchanged(context, INDICATORS, asked) {
        return Ok(unchanged);
    }
    let Page { frontier, rows, more } = wanted.read(context).await?;
    let lines: Vec<Line> = rows.into_iter().map(|cells| Line { cells, filled: None }).collect();
    let frame = Frame {
        view: INDICATORS,
        head: &[
            ("symbol", wanted.instrument.name.to_string()),
            ("timeframe", wanted.timeframe.to_string()),
        ],
        hidden: &["instrument", "timeframe"],
        list: "indicators",
        frontier,
        lines: &lines,
        more,
        marked: false,
    };
    frame.answer(context, &form)
}

fn read(context: &Context, symbol: &str, asked: &Asked) -> Result<(Wanted, Form), Problem> {
    let mut query = Query::new(&asked.query, PARAMETERS);
    let timeframe = query.timeframe("timeframe", &context.timeframes);
    let numbers = numbers(&mut query, context);
    let (from, to) = query.interval();
    let limit = query.count("limit", 1, LIMIT_MAX);
    let form = Form::read(&mut query, &asked.headers);
    query.finish()?;
    let form = form?;
    let wanted = Wanted {
        instrument: resolve(&context.catalog, symbol)?,
        timeframe: timeframe.unwrap_or_else(|| smallest(context)),
        numbers,
        from,
        to,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
    };
    Ok((wanted, form))
}

/// The numbers that `name` and `output` ask for: a name with its parameters (`sma20`) is one indicator, one
/// without (`sma`) all of this kind.
fn numbers(query: &mut Query<'_>, context: &Context) -> Vec<(String, &'static str)> {
    let known = &context.labels.indicators;
    let labels: Vec<&str> = known.iter().map(|(label, _)| label.as_str()).collect();
    let fits = |label: &str, name: &str| label == name || kind(label) == name;
    let name = query.one_of("name", "an indicator that is computed", &labels, fits);
    let named = known.iter().filter(|(label, _)| name.as_ref().is_none_or(|n| fits(label, n)));
    let mut outputs: Vec<&str> = named.clone().flat_map(|(_, outputs)| outputs.to_vec()).collect();
    outputs.sort_unstable();
    outputs.dedup();
    let what = match &name {
        Some(name) => format!("an output of {name}"),
        None => "an output of an indicator that is computed".to_owned(),
    };
    let output = query.one_of("output", &what, &outputs, |known, asked| known == asked);
    let numbers = named.flat_map(|(label, outputs)| {
        let wanted = outputs.iter().filter(|one| output.as_deref().is_none_or(|o| o == **one));
        wanted.map(|output| (label.clone(), *output))
    });
    numbers.collect()
}

/// The name of an indicator without its parameters.
fn kind(label: &str) -> &str {
    label.trim_end_matches(|c: char| !c.is_ascii_alphabetic())
}

impl Wanted {
    /// Reads the rows, ascending in time. All of an answer is one read, at one frontier; if too few of its
    /// rows are wanted ones, more are read instead.
    async fn read(&self, context: &Context) -> Result<Page, Problem> {
        let of_bar: usize = context.labels.indicators.iter().map(|(_, all)| all.len()).sum();
        let bars = self.limit / self.numbers.len().max(1) + 2;
        let mut limit = bars.saturating_mul(of_bar).clamp(1, READ_MAX);
        loop {
            let mut page = context.reader.scan(self.scan(limit)).await?;
            page.rows.retain(|row| self.wants(row));
            if page.rows.len() > self.limit {
                page.rows.truncate(self.limit);
                page.more = true;
            } else if page.more && limit < READ_MAX {
                // Before its first value an indicator has no row at bars at which others have.
                limit = limit.saturating_mul(8).min(READ_MAX);
                continue;
            } else if page.more && page.rows.is_empty() {
                return Err(self.too_many());
            }
            if self.from.is_none() {
                page.rows.reverse();
            }
            return Ok(page);
        }
    }

    fn too_many(&self) -> Problem {
        let detail = format!(
            "none of the first {READ_MAX} rows of {} is wanted: ask for less time with `from` and `to`",
            self.timeframe
        );
        Problem::new(TOO_MANY_BARS, detail)
    }

    fn wants(&self, row: &[Cell]) -> bool {
        let [_, _, _, Cell::Text(indicator), Cell::Text(output), ..] = row else { return false };
        self.numbers.iter().any(|(label, one)| label == indicator && one == output)
    }

    fn scan(&self, limit: usize) -> Scan {
        Scan {
            view: INDICATORS,
            instrument: Some(self.instrument.id),
            timeframe: Some(self.timeframe),
            from: self.from,
            to: self.to,
            latest_first: self.from.is_none(),
            limit,
        }
    }
}
