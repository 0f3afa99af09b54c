//! `GET /v1/candles/{symbol}`: bars of one instrument and timeframe, ascending in time.

use market::SessionKind;
use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::bars::CandleQuery;
use crate::problem::Problem;
use crate::query::{Known, Query};
use crate::symbol::resolve;

use super::frame::{Form, Frame};
use super::{
    Endpoint, LIMIT_DEFAULT, LIMIT_MAX, READ, RequestParts, Route, RouteEntry, reads, respond,
    smallest,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/candles/{symbol}",
        doc: "bars of an instrument; ?tf= &from= &to= &fields= &limit= &session= &fill= &min_frontier= &wait_ms= &numbers= &format=",
    }],
    route,
};

const PARAMETERS: Known = &[
    &["tf", "timeframe"],
    &["from"],
    &["to"],
    &["as_of"],
    &["fields"],
    &["limit"],
    &["session"],
    &["fill"],
    &["numbers"],
    &["format"],
    &["min_frontier"],
    &["wait_ms"],
];

/// The values of `session=`; some have an alias.
const SESSIONS: [(&str, Option<SessionKind>); 5] = [
    ("all", None),
    ("regular", Some(SessionKind::Regular)),
    ("rth", Some(SessionKind::Regular)),
    ("extended", Some(SessionKind::Extended)),
    ("eth", Some(SessionKind::Extended)),
];

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "candles" / String)
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
    let (candles, form) = read(context, symbol, request)?;
    if let Some(unchanged) = form.unchanged(context, candles.view, request, candles.as_of).await? {
        return Ok(unchanged);
    }
    let bars = candles.read(context).await?;
    let mut head = vec![
        ("symbol", candles.instrument.name.to_string()),
        ("timeframe", candles.timeframe.to_string()),
    ];
    head.extend(candles.session.map(|kind| ("session", kind.name().to_owned())));
    let frame = Frame {
        view: candles.view,
        head,
        hidden: &["instrument", "timeframe"],
        list: "candles",
        frontier: bars.frontier,
        lines: bars.lines,
        more: bars.more,
        marked: candles.fill,
    };
    frame.answer(context, &form).await
}

fn read(
    context: &Context,
    symbol: &str,
    request: &RequestParts,
) -> Result<(CandleQuery, Form), Problem> {
    let view = context.view("candles")?;
    let mut query = Query::new(&request.query, PARAMETERS);
    let timeframe = query.timeframe("tf", &context.timeframes);
    let (from, to) = query.interval();
    let as_of = query.as_of(view);
    let limit = query.count("limit", 1, LIMIT_MAX);
    let session = query.word("session", &SESSIONS);
    let fill = query.word("fill", &[("none", false), ("previous", true), ("prev", true)]);
    let form = Form::read(&mut query, context, view, &request.headers);
    query.finish()?;
    let form = form?;
    let candles = CandleQuery {
        view,
        instrument: resolve(&context.catalog, symbol)?,
        timeframe: timeframe.unwrap_or_else(|| smallest(context)),
        from,
        to,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
        session: session.flatten(),
        as_of,
        fill: fill.unwrap_or(false),
    };
    Ok((candles, form))
}
