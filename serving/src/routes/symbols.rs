//! `GET /v1/symbols`: the known instruments, and the timeframes of their bars.

use serde::Serialize;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::format::Format;
use crate::parameter::{CountParameter, RouteParameter};
use crate::problem::Problem;
use crate::query::Query;

use super::{
    ACCEPT_JSON, Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, json, reads, respond,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/symbols",
        access: ROWS,
        doc: "the known instruments, by name, and all timeframes",
        parameters: PARAMETERS,
    }],
    route,
};

const PARAMETERS: &[RouteParameter] = &[SYMBOLS_LIMIT.declared, ACCEPT_JSON];
const SYMBOLS_LIMIT: CountParameter =
    CountParameter::count("limit", LIMIT.range, "the most instruments");

#[derive(Serialize)]
struct SymbolsJson {
    timeframes: Vec<String>,
    symbols: Vec<SymbolJson>,
    /// Whether the limit left any out.
    more: bool,
}

#[derive(Serialize)]
struct SymbolJson {
    symbol: String,
    quote: String,
    price_decimals: u8,
    size_decimals: u8,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "symbols")
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let limit = query.count(&SYMBOLS_LIMIT);
    query.finish()?;
    Format::accepted(&request.headers, &[Format::Json])?;
    let mut timeframes = context.timeframes.clone();
    timeframes.sort_unstable();
    let mut known = context.instruments();
    known.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let more = known.len() > limit;
    let symbols = known.iter().take(limit).map(|instrument| SymbolJson {
        symbol: instrument.name.to_string(),
        quote: instrument.quote.to_string(),
        price_decimals: instrument.spec.price_scale,
        size_decimals: instrument.spec.quantity_scale,
    });
    let body = SymbolsJson {
        timeframes: timeframes.iter().map(ToString::to_string).collect(),
        symbols: symbols.collect(),
        more,
    };
    json(StatusCode::OK, "application/json", &body)
}
