//! `GET /api/streaming/data/{symbol}`: several views of one instrument in one cut, so that they agree.

use std::sync::Arc;

use futures_util::future::try_join_all;
use market::{EventTime, Instrument, Timeframe};
use serde_json::Value;
use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::closed::{CLOSED, condition};
use crate::content_coding::ACCEPTED_CODINGS;
use crate::format::{ACCEPT_JSON, Line, NUMBERS_AS_STRINGS, Shown};
use crate::parameter::{CountParameter, CountRange, ParameterType, RouteParameter};
use crate::problem::Problem;
use crate::query::{AS_OF, Query, shown};
use crate::read_your_writes::{MAX_STALENESS, MIN_FRONTIER, WAIT_MS};
use crate::symbol::resolve;
use rows::{AsOf, Cell, Frontier, OPEN_TIME, Page, RowFilter, Scan, View, ViewKind};

use super::frame::{Body, BodyError, Encoded, Form, KNOWN_TAGS};
use super::{
    Endpoint, FrontierJson, READ, ROWS, RequestParts, Route, RouteEntry, SYMBOL, TIMEFRAME, reads,
    respond, smallest,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/api/streaming/data/{symbol}",
        access: ROWS,
        doc: "bars, indicators, signals, the last trade, gaps and more of an instrument, all at one frontier",
        parameters: PARAMETERS,
    }],
    route,
};

const INCLUDE: RouteParameter = RouteParameter::query(
    "include",
    ParameterType::Name("a view whose rows have an instrument, or `trade`"),
    "what is answered; `trade` is the last trade. Without it `candles`, `indicators`, `signals`, `trade` and `gaps`, as far \
     as the job has them",
)
.several();
const DATA_LIMIT: CountParameter = CountParameter::count(
    "limit",
    CountRange { least: 1, most: 2_000, default: 200 },
    "the newest bars, with the indicators and alerts at these bars, and the newest rows of each log",
);
const PARAMETERS: &[RouteParameter] = &[
    SYMBOL,
    INCLUDE,
    TIMEFRAME,
    DATA_LIMIT.declared,
    CLOSED.declared,
    AS_OF,
    NUMBERS_AS_STRINGS.declared,
    MIN_FRONTIER,
    MAX_STALENESS,
    WAIT_MS.declared,
    ACCEPT_JSON,
    ACCEPTED_CODINGS,
    KNOWN_TAGS,
];

/// The view that says which bars there are.
const CANDLES: &str = "candles";
/// The most rows of a view that is not limited by bars or rows of a log: several numbers at each bar, or what is now.
const ROWS_MAX: usize = 50_000;
/// The last trade.
const TRADE: &str = "trade";
/// The view that has it.
const TRADES: &str = "trades";
const DEFAULT: [&str; 5] = ["candles", "indicators", "signals", TRADE, "gaps"];

/// What a request asks for.
struct DataQuery {
    instrument: Arc<Instrument>,
    timeframe: Timeframe,
    included: Vec<Included>,
    limit: usize,
    as_of: Option<AsOf>,
    closed: bool,
}

/// A part of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Included {
    name: &'static str,
    view: &'static View,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("api" / "streaming" / "data" / String)
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
    let (data, form) = read(context, symbol, request)?;
    form.reached(context, data.as_of).await?;
    let mut views: Vec<&'static View> = data.included.iter().map(|part| part.view).collect();
    let candles = context.views.named(CANDLES);
    views.extend(candles);
    let cut = context.reader.cut(&views, data.as_of)?;
    let first_bar = match candles.filter(|_| data.has_bars()) {
        Some(view) => {
            data.first_bar(cut.scan(data.scan(Included { name: CANDLES, view }, None)).await?)
        }
        None => None,
    };
    let scans = data.included.iter().map(|part| cut.scan(data.scan(*part, first_bar)));
    let mut pages = try_join_all(scans).await?;
    for (part, page) in data.included.iter().zip(&mut pages) {
        page.rows.reverse();
        page.more |= first_bar.is_some() && has_time(part.view); // what is at bars that were left out
    }
    let (rows, frontier) = (pages.iter().map(|page| page.rows.len()).sum(), cut.frontier());
    drop(cut);
    let encode = move |context: &Context, form: &Form| {
        data.encode(context, form, frontier, pages).map_err(|error| {
            tracing::error!(%error, "rows of an instrument could not be written");
            Problem::internal()
        })
    };
    form.respond(context, rows, frontier, encode).await
}

fn read(
    context: &Context,
    symbol: &str,
    request: &RequestParts,
) -> Result<(DataQuery, Form), Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let possible = possible(context);
    let included = query.parsed(&INCLUDE, |text| included(text, &possible));
    let included = included.unwrap_or_else(|| {
        let defaults = possible.iter().filter(|part| DEFAULT.contains(&part.name));
        // A view without a history is part of an answer in the past only if it is asked for, which is refused.
        let defaults = defaults.filter(|part| !query.has(&AS_OF) || part.view.history);
        defaults.copied().collect()
    });
    if included.is_empty() {
        query.reject(&AS_OF, "cannot be asked of this job: none of its views keeps a history");
    }
    let mut as_of = None;
    for part in &included {
        as_of = query.as_of(part.view);
    }
    let timeframe = query.timeframe(&TIMEFRAME, &context.timeframes);
    let limit = query.count(&DATA_LIMIT);
    let closed = query.word(&CLOSED);
    let form = Form::of_object(&mut query, context, &request.headers);
    query.finish()?;
    let form = form?;
    let data = DataQuery {
        instrument: resolve(context, symbol)?,
        timeframe: timeframe.unwrap_or_else(|| smallest(context)),
        included,
        limit,
        as_of,
        closed,
    };
    Ok((data, form))
}

/// All that a request may include: the views whose rows have an instrument, and the last trade.
fn possible(context: &Context) -> Vec<Included> {
    let visible = context.client.visible();
    let views = context.views.views.iter().filter(|view| visible.has_view(view));
    let views = views.filter(|view| view.column("instrument").is_some());
    let all = views.flat_map(|view| {
        let last = (view.name == TRADES).then_some(Included { name: TRADE, view });
        [Some(Included { name: view.name, view }), last]
    });
    all.flatten().collect()
}

fn included(text: &str, possible: &[Included]) -> Result<Vec<Included>, (String, Vec<String>)> {
    let mut included: Vec<Included> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let Some(part) = possible.iter().find(|part| part.name == name) else {
            let allowed: Vec<String> = possible.iter().map(|part| part.name.to_owned()).collect();
            let known = allowed.join(", ");
            return Err((format!("names `{}`, which is none of {known}", shown(name)), allowed));
        };
        if !included.contains(part) {
            included.push(*part);
        }
    }
    Ok(included)
}

/// Whether rows of a view are at bars.
fn has_time(view: &View) -> bool {
    view.column(OPEN_TIME).is_some()
}

impl DataQuery {
    /// Whether something at bars is included.
    fn has_bars(&self) -> bool {
        self.included.iter().any(|part| has_time(part.view))
    }

    /// When the first of these bars, the newest first, opens; none if no bar was left out.
    fn first_bar(&self, bars: Page) -> Option<EventTime> {
        let first = bars.rows.last().filter(|_| bars.more)?;
        first.iter().find_map(|cell| match cell {
            Cell::Time(time) => Some(*time), // the open time comes first
            _ => None,
        })
    }

    /// The newest rows of a part, newest first; at no earlier bar than `first_bar`.
    fn scan(&self, part: Included, first_bar: Option<EventTime>) -> Scan {
        let Included { name, view } = part;
        let own = RowFilter::of_instrument(self.instrument.id);
        let own = match view.column("timeframe") {
            Some(_) => own.of_timeframe(self.timeframe),
            None => own,
        };
        let texts = condition(view).filter(|_| self.closed).into_iter().collect();
        let limit = match view.kind {
            _ if name == TRADE => 1,
            _ if name == CANDLES => self.limit,
            ViewKind::Log => self.limit,
            ViewKind::Keyed => ROWS_MAX,
        };
        let from = first_bar.filter(|_| has_time(view));
        let filter = RowFilter { texts, ..own.opening(from, None) };
        Scan { view, filter, latest_first: true, limit, as_of: self.as_of }
    }

    fn encode(
        &self,
        context: &Context,
        form: &Form,
        frontier: Frontier,
        pages: Vec<Page>,
    ) -> Result<Encoded, BodyError> {
        let (symbol, timeframe) = (&*self.instrument.name, self.timeframe.to_string());
        let symbol = Value::String(symbol.to_owned());
        let before = format!("{{\"symbol\":{symbol},\"timeframe\":\"{timeframe}\",\"frontier\":");
        let mut body = Body { before, ..Body::default() };
        body.frontier = serde_json::to_string(&FrontierJson::of(context.run, frontier))?;
        let mut cut_off: Vec<&str> = Vec::new();
        for (Included { name, view }, page) in self.included.iter().zip(pages) {
            let hidden: &[&str] = match view.kind {
                ViewKind::Keyed => &["instrument", "timeframe"],
                ViewKind::Log => &["instrument"],
            };
            let shown = Shown {
                columns: view.columns,
                hidden,
                catalog: &context.catalog,
                numbers_as_strings: form.numbers_as_strings(),
            };
            body.rows.push_str(&format!(",\"{name}\":"));
            match (*name == TRADE, page.rows.first()) {
                (true, Some(last)) => shown.cells(last, &mut body.rows),
                (true, None) => body.rows.push_str("null"),
                (false, _) => shown.list(&Line::all(page.rows), &mut body.rows),
            }
            if page.more && *name != TRADE {
                cut_off.push(name);
            }
        }
        body.rows.push_str(&format!(",\"more\":{}}}", serde_json::to_string(&cut_off)?));
        form.encode("data", body)
    }
}
