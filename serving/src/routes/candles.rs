//! `GET /v1/candles/{symbol}`: bars of one instrument and timeframe, ascending in time.

use market::SessionKind;
use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::bars::CandleQuery;
use crate::closed::{CLOSED, closed};
use crate::filter::FIELDS;
use crate::parameter::{RouteParameter, WordParameter, Words, joined, total};
use crate::problem::Problem;
use crate::query::{AS_OF, FROM, Query, TO};
use crate::symbol::resolve;

use super::frame::{FRAME, Form, Frame};
use super::{
    Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, SYMBOL, TIMEFRAME, reads,
    respond, smallest,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/candles/{symbol}",
        access: ROWS,
        doc: "bars of an instrument",
        parameters: PARAMETERS,
    }],
    route,
};

const SESSION: WordParameter<Option<SessionKind>> = WordParameter::new(
    "session",
    Words::new(
        &["all", "regular", "rth", "extended", "eth"],
        &[
            None,
            Some(SessionKind::Regular),
            Some(SessionKind::Regular),
            Some(SessionKind::Extended),
            Some(SessionKind::Extended),
        ],
    ),
    "all",
    "bars of one kind of session; `rth` is `regular`, `eth` is `extended`",
);
const FILL: WordParameter<bool> = WordParameter::new(
    "fill",
    Words::new(&["none", "previous", "prev"], &[false, true, true]),
    "none",
    "`previous` (or `prev`) fills bars without trades from the previous close",
);

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] = &[
    &[SYMBOL, TIMEFRAME, FROM, TO, AS_OF, FIELDS, LIMIT.declared],
    &[CLOSED.declared, SESSION.declared, FILL.declared],
    FRAME,
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
    form.reached(context, candles.as_of).await?;
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
        page: None,
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
    let timeframe = query.timeframe(&TIMEFRAME, &context.timeframes);
    let (from, to) = query.interval();
    let as_of = query.as_of(view);
    let limit = query.count(&LIMIT);
    let session = query.word(&SESSION);
    let fill = query.word(&FILL);
    for (is_given, with) in [(session.is_some(), &SESSION.declared), (fill, &FILL.declared)] {
        if is_given {
            let why = format!("cannot be asked together with `{}`", with.name);
            query.reject(&CLOSED.declared, &why);
        }
    }
    let closed = closed(&mut query, view);
    let form = Form::read(&mut query, context, view, &request.headers);
    query.finish()?;
    let form = form?;
    let candles = CandleQuery {
        view,
        instrument: resolve(context, symbol)?,
        timeframe: timeframe.unwrap_or_else(|| smallest(context)),
        from,
        to,
        limit,
        session,
        as_of,
        fill,
        closed,
    };
    Ok((candles, form))
}
