//! `GET /v1/explain`: what is behind a row, and what has changed it.

mod keys;

use std::sync::Arc;

use market::{CandleKey, Instrument, PortfolioId};
use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::content_coding::ACCEPTED_CODINGS;
use crate::explanation_json::{ExplanationJson, head};
use crate::format::{ACCEPT_JSON, NUMBERS_AS_STRINGS};
use crate::parameter::{CountParameter, CountRange, ParameterType, RouteParameter};
use crate::problem::{FieldError, Problem, TOO_MANY_BARS, UNKNOWN_ROW};
use crate::query::{AS_OF, Query, shown};
use crate::read_your_writes::{MAX_STALENESS, MIN_FRONTIER, WAIT_MS, is_past};
use crate::symbol::resolve;
use rows::{
    Cell, ExplainQuestion, Explained, ExplainedKey, Explanation, ExplanationPart, RowFilter, Scan,
    View, cell_text,
};

use super::frame::{Body, BodyError, Encoded, Form, KNOWN_TAGS};
use super::{Endpoint, FrontierJson, READ, ROWS, RequestParts, Route, RouteEntry, reads, respond};
use keys::{KEY, KeyTexts, OPEN_TIME, PORTFOLIO, SYMBOL, TIMEFRAME, bar_key, position_key};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/explain",
        access: ROWS,
        doc: "what is behind a row of `candles` or `positions`: the trades, or the fills with mark and rate, and the records \
              that removed some; whether they add up to it; with `vs` what has changed it since",
        parameters: PARAMETERS,
    }],
    route,
};

const VIEW: RouteParameter = RouteParameter::query(
    "view",
    ParameterType::Name("a view that can be explained"),
    "`candles` or `positions`; without it `candles`",
);
const VS: RouteParameter = RouteParameter::query(
    "vs",
    ParameterType::PastState,
    "an earlier point: what has changed since then, and by which records",
);
const EXPLAIN_LIMIT: CountParameter = CountParameter::count(
    "limit",
    CountRange { least: 1, most: 10_000, default: 1_000 },
    "the most entries of each list",
);
const OFFSET: CountParameter = CountParameter::count(
    "offset",
    CountRange { least: 0, most: 50_000, default: 0 },
    "of each list, so many of the first entries are left out",
);
const PARAMETERS: &[RouteParameter] = &[
    VIEW,
    KEY,
    SYMBOL,
    TIMEFRAME,
    OPEN_TIME,
    PORTFOLIO,
    AS_OF,
    VS,
    EXPLAIN_LIMIT.declared,
    OFFSET.declared,
    NUMBERS_AS_STRINGS.declared,
    MIN_FRONTIER,
    MAX_STALENESS,
    WAIT_MS.declared,
    ACCEPT_JSON,
    ACCEPTED_CODINGS,
    KNOWN_TAGS,
];

/// The views that can be explained, each with the log of what is behind its rows.
const EXPLAINABLE: [(&str, &str); 2] = [("candles", "trades"), ("positions", "fills")];
/// Parts that show rows of other views, which a key may not see.
const PARTS: [(&str, &str); 4] =
    [("bars", "candles"), ("mark", "candles"), ("mark", "trades"), ("revisions", "revisions")];
/// So many keys of rows on either side are suggested.
const NEAR: usize = 2;

/// A row, as a request names it.
struct Asked {
    view: &'static View,
    key: ExplainedKey,
    /// The key in the one form that answers have.
    text: String,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "explain")
        .and(reads())
        .then(move |request: RequestParts| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &request);
                respond(request.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    let (asked, question, form) = read(context, request)?;
    form.reached(context, question.as_of).await?;
    is_past(&*context.reader, question.since)?;
    let mut explanation = match context.explainer.explain(question).await? {
        Explained::Row(explanation) => *explanation,
        Explained::NoRow(_) => return Err(no_row(context, &asked).await),
        Explained::SinceIsLater { since, frontier } => {
            let (since, at) = (since.at.rfc3339(), frontier.at.rfc3339());
            let detail =
                format!("`vs` is {since}, which is after {at}: it must be the earlier point");
            let pointer = "#/query/vs".to_owned();
            let error = FieldError { pointer, code: "order", detail, allowed: Vec::new() };
            return Err(Problem::invalid(vec![error]));
        }
        Explained::TooManyRecords { most } => {
            let detail = format!(
                "more than {most} records are behind `{}`; explain a bar of a smaller timeframe",
                asked.text
            );
            return Err(Problem::new(TOO_MANY_BARS, detail));
        }
    };
    explanation.parts.retain(|part| shows(context, part));
    if let Some(change) = &mut explanation.change {
        change.parts.retain(|part| shows(context, part));
    }
    let rows = question.limit;
    let frontier = explanation.frontier;
    let encode = move |context: &Context, form: &Form| {
        encode(context, form, &asked, explanation).map_err(|error| {
            tracing::error!(%error, "an explanation could not be written");
            Problem::internal()
        })
    };
    form.respond(context, rows, frontier, encode).await
}

/// Whether there are the views of a part for the client.
fn shows(context: &Context, part: &ExplanationPart) -> bool {
    let mut of = PARTS.iter().filter(|(name, _)| *name == part.name);
    of.all(|(_, view)| {
        let view = context.views.named(view);
        view.is_none_or(|view| context.client.has_view(view))
    })
}

fn encode(
    context: &Context,
    form: &Form,
    asked: &Asked,
    explanation: Explanation,
) -> Result<Encoded, BodyError> {
    let mut body = Body { before: head(asked.view, &asked.text), ..Body::default() };
    body.frontier = serde_json::to_string(&FrontierJson::of(context.run, explanation.frontier))?;
    let json = ExplanationJson {
        catalog: &context.catalog,
        numbers_as_strings: form.numbers_as_strings(),
        run: context.run,
        client: &context.client,
    };
    json.write(explanation, &mut body.rows)?;
    body.rows.push('}');
    form.encode("explain", body)
}

fn read(
    context: &Context,
    request: &RequestParts,
) -> Result<(Asked, ExplainQuestion, Form), Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let possible: Vec<&str> = explainable(context).map(|view| view.name).collect();
    let is_one = |known: &str, asked: &str| known == asked;
    let named = query.one_of(&VIEW, "a view that can be explained", &possible, is_one);
    let view = context.view(named.as_deref().unwrap_or("candles"))?;
    for (_, log) in EXPLAINABLE.iter().filter(|(name, _)| *name == view.name) {
        context.view(log)?; // a key without it may not see what is behind the row
    }
    let key = match view.name {
        "positions" => position_key(&mut query),
        _ => bar_key(&mut query, context),
    };
    let (as_of, since) = (query.as_of(view), query.past_state(&VS));
    let (limit, offset) = (query.count(&EXPLAIN_LIMIT), query.count(&OFFSET));
    let form = Form::of_object(&mut query, context, &request.headers);
    query.finish()?;
    let (asked, form) = (key.found(context, view)?, form?);
    let question = ExplainQuestion { key: asked.key, as_of, since, offset, limit };
    Ok((asked, question, form))
}

/// The views that can be explained to the client.
fn explainable(context: &Context) -> impl Iterator<Item = &'static View> {
    let own = |(view, log): &(&str, &str)| {
        let named = |name| context.views.named(name).filter(|view| context.client.has_view(view));
        named(log).and(named(view))
    };
    EXPLAINABLE.iter().filter_map(own)
}

impl KeyTexts {
    /// The row, if its instrument is known.
    fn found(self, context: &Context, view: &'static View) -> Result<Asked, Problem> {
        Ok(match self {
            KeyTexts::Bar { symbol, timeframe, open_time } => {
                let instrument = resolve(context, &symbol)?;
                let key = CandleKey { instrument: instrument.id, timeframe, open_time };
                let text = bar_text(&instrument, &key);
                Asked { view, key: ExplainedKey::Bar(key), text }
            }
            KeyTexts::Position { portfolio, symbol } => {
                let instrument = resolve(context, &symbol)?;
                let text = format!("{portfolio}|{}", instrument.name);
                let portfolio = PortfolioId::of(&portfolio);
                let asked = Asked {
                    view,
                    key: ExplainedKey::Position { portfolio, instrument: instrument.id },
                    text,
                };
                if !context.client.visible().has_portfolio(portfolio) {
                    return Err(unknown(&asked));
                }
                asked
            }
        })
    }
}

fn bar_text(instrument: &Arc<Instrument>, key: &CandleKey) -> String {
    format!("{}|{}|{}", instrument.name, key.timeframe, key.open_time.rfc3339())
}

fn unknown(asked: &Asked) -> Problem {
    let detail = format!("`{}` has no row `{}`", asked.view.name, shown(&asked.text));
    Problem::new(UNKNOWN_ROW, detail)
}

/// There is no such row; rows near it are suggested.
async fn no_row(context: &Context, asked: &Asked) -> Problem {
    let scans = match asked.key {
        ExplainedKey::Bar(CandleKey { instrument, timeframe, open_time }) => {
            let own = || RowFilter::of_instrument(instrument).of_timeframe(timeframe);
            vec![
                (own().opening(None, Some(open_time)), true),
                (own().opening(Some(open_time), None), false),
            ]
        }
        ExplainedKey::Position { portfolio, .. } => {
            let own = RowFilter { portfolios: Some(vec![portfolio]), ..RowFilter::default() };
            vec![(context.client.visible().narrow(asked.view, own), false)]
        }
    };
    let mut near = Vec::new();
    for (filter, latest_first) in scans {
        let scan = Scan { filter, latest_first, limit: NEAR, ..Scan::all(asked.view) };
        let Ok(page) = context.reader.scan(scan).await else { continue };
        near.extend(page.rows.iter().map(|row| key_text(context, asked.view, row)));
    }
    near.sort();
    unknown(asked).suggestions(near)
}

/// The key of a row: its columns joined by `|`.
fn key_text(context: &Context, view: &View, row: &[Cell]) -> String {
    let cells = view.columns.iter().zip(row).filter(|(column, _)| column.is_key);
    let texts = cells.map(|(_, cell)| cell_text(cell, &context.catalog));
    texts.collect::<Vec<_>>().join("|")
}
