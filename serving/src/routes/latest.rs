//! `GET /v1/latest`: of each instrument and timeframe the rows of the newest bar, all at one frontier.

use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::closed::{CLOSED, closed};
use crate::filter::{self, FIELDS, FILTERS, FilterQuery};
use crate::format::Line;
use crate::parameter::{CountParameter, ParameterType, RouteParameter, joined, total};
use crate::problem::Problem;
use crate::query::AS_OF;
use rows::{Page, RowFilter, Scan, View};

use super::frame::{FRAME, Form, Frame};
use super::{Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, reads, respond};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/latest",
        access: ROWS,
        doc: "the newest bar of each instrument and timeframe, the newest row of each instrument in a log, or all rows of a \
              view that holds what is now; at one frontier",
        parameters: PARAMETERS,
    }],
    route,
};

const VIEW: RouteParameter = RouteParameter::query(
    "view",
    ParameterType::Name("a view"),
    "the name of the view; without it `candles`",
);
const LATEST_LIMIT: CountParameter =
    CountParameter::count("limit", LIMIT.range, "the most rows: the first in the order of the key");
const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] =
    &[&[VIEW], FILTERS, &[CLOSED.declared, AS_OF, FIELDS, LATEST_LIMIT.declared], FRAME];

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "latest")
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
    let named = request.query.iter().find(|(name, _)| VIEW.is_named(name));
    let view = context.view(named.map_or("candles", |(_, view)| view))?;
    let (scan, form) = read(context, view, request)?;
    form.reached(context, scan.as_of).await?;
    let cut = context.reader.cut(&[view], scan.as_of)?;
    let Page { frontier, rows, more } = cut.newest(scan).await?;
    let frame = Frame {
        view,
        head: vec![("view", view.name.to_owned())],
        hidden: &[],
        list: "rows",
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
    view: &'static View,
    request: &RequestParts,
) -> Result<(Scan, Form), Problem> {
    let FilterQuery { mut query, mut columns } = FilterQuery::new(&request.query, PARAMETERS, view);
    columns.texts.extend(closed(&mut query, view));
    let filter = filter::row_filter(&mut query, context, view, columns);
    let as_of = query.as_of(view);
    let limit = query.count(&LATEST_LIMIT);
    let form = Form::read(&mut query, context, view, &request.headers);
    query.finish()?;
    let (filter, form): (RowFilter, Form) = (filter?, form?);
    Ok((Scan { view, filter, latest_first: false, limit, as_of }, form))
}
