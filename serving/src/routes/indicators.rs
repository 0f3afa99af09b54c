//! `GET /v1/indicators/{symbol}`: numbers of one instrument and timeframe, ascending in time.

use std::sync::Arc;

use market::{EventTime, Instrument, Timeframe};
use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::closed::{CLOSED, closed};
use crate::filter::FIELDS;
use crate::format::Line;
use crate::parameter::{ParameterType, RouteParameter, joined, total};
use crate::problem::Problem;
use crate::query::{FROM, Query, TO};
use crate::symbol::resolve;
use rows::{Page, RowFilter, Scan, View};

use super::frame::{FRAME, Form, Frame};
use super::{
    Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, SYMBOL, TIMEFRAME, reads,
    respond, smallest,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/indicators/{symbol}",
        access: ROWS,
        doc: "indicators of an instrument",
        parameters: PARAMETERS,
    }],
    route,
};

const NAME_OF: &str = "an indicator that is computed";
const NAME: RouteParameter = RouteParameter::query(
    "indicator",
    ParameterType::Name(NAME_OF),
    "one indicator (`sma20`), or all of a kind (`sma`)",
)
.or(&["name"]);
const OUTPUT_OF: &str = "an output of an indicator that is computed";
const OUTPUT: RouteParameter = RouteParameter::query(
    "output",
    ParameterType::Name(OUTPUT_OF),
    "one of the numbers of an indicator",
);

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] =
    &[&[SYMBOL, TIMEFRAME, NAME, OUTPUT, FROM, TO, FIELDS, LIMIT.declared, CLOSED.declared], FRAME];

/// The parameters of a request for indicators.
struct IndicatorQuery {
    /// The view `indicators`.
    view: &'static View,
    instrument: Arc<Instrument>,
    timeframe: Timeframe,
    /// The labels of the indicators.
    labels: Vec<String>,
    /// The names of their outputs.
    outputs: Vec<String>,
    /// The condition that leaves out numbers of bars that still grow.
    closed: Option<(usize, Vec<String>)>,
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
        .then(move |symbol: String, request: RequestParts| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &symbol, &request);
                respond(request.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(
    context: &Context,
    symbol: &str,
    request: &RequestParts,
) -> Result<Response, Problem> {
    let (indicators, form) = read(context, symbol, request)?;
    form.reached(context, None).await?;
    let Page { frontier, rows, more } = indicators.read(context).await?;
    let frame = Frame {
        view: indicators.view,
        head: vec![
            ("symbol", indicators.instrument.name.to_string()),
            ("timeframe", indicators.timeframe.to_string()),
        ],
        hidden: &["instrument", "timeframe"],
        list: "indicators",
        frontier,
        lines: Line::all(rows),
        more,
        marked: false,
        page: None,
    };
    frame.answer(context, &form).await
}

fn read(
    context: &Context,
    symbol: &str,
    request: &RequestParts,
) -> Result<(IndicatorQuery, Form), Problem> {
    let view = context.view("indicators")?;
    let mut query = Query::new(&request.query, PARAMETERS);
    let timeframe = query.timeframe(&TIMEFRAME, &context.timeframes);
    let (labels, outputs) = numbers(&mut query, context);
    let (from, to) = query.interval();
    let limit = query.count(&LIMIT);
    let closed = closed(&mut query, view);
    let form = Form::read(&mut query, context, view, &request.headers);
    query.finish()?;
    let form = form?;
    let indicators = IndicatorQuery {
        view,
        instrument: resolve(context, symbol)?,
        timeframe: timeframe.unwrap_or_else(|| smallest(context)),
        labels,
        outputs,
        closed,
        from,
        to,
        limit,
    };
    Ok((indicators, form))
}

/// The labels and outputs that `name` and `output` select. A name with parameters (`sma20`) is one indicator, one
/// without (`sma`) all of this kind.
fn numbers(query: &mut Query<'_>, context: &Context) -> (Vec<String>, Vec<String>) {
    let known = &context.labels.indicators;
    let labels: Vec<&str> = known.iter().map(|(label, _)| label.as_str()).collect();
    let fits = |label: &str, name: &str| label == name || kind(label) == name;
    let name = query.one_of(&NAME, NAME_OF, &labels, fits);
    let named = known.iter().filter(|(label, _)| name.as_ref().is_none_or(|n| fits(label, n)));
    let mut outputs: Vec<&str> = named.clone().flat_map(|(_, outputs)| outputs.to_vec()).collect();
    outputs.sort_unstable();
    outputs.dedup();
    let what = match &name {
        Some(name) => format!("an output of {name}"),
        None => OUTPUT_OF.to_owned(),
    };
    let output = query.one_of(&OUTPUT, &what, &outputs, |known, given| known == given);
    outputs.retain(|one| output.as_deref().is_none_or(|output| output == *one));
    (
        named.map(|(label, _)| label.clone()).collect(),
        outputs.into_iter().map(str::to_owned).collect(),
    )
}

/// The name of an indicator without its parameters.
fn kind(label: &str) -> &str {
    label.trim_end_matches(|c: char| !c.is_ascii_alphabetic())
}

impl IndicatorQuery {
    /// Reads the rows, ascending in time.
    async fn read(&self, context: &Context) -> Result<Page, Problem> {
        let bars = RowFilter::of_instrument(self.instrument.id).of_timeframe(self.timeframe);
        let one_of = |column, texts: &Vec<String>| {
            self.view.column(column).map(|column| (column, texts.clone()))
        };
        let numbers = [one_of("indicator", &self.labels), one_of("output", &self.outputs)];
        let filter = RowFilter {
            texts: numbers.into_iter().flatten().chain(self.closed.clone()).collect(),
            ..bars.opening(self.from, self.to)
        };
        let latest_first = self.from.is_none();
        let scan = Scan { filter, latest_first, limit: self.limit, ..Scan::all(self.view) };
        let mut page = context.reader.scan(scan).await?;
        if latest_first {
            page.rows.reverse();
        }
        Ok(page)
    }
}
