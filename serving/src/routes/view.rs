//! `GET /v1/views/{view}`: the rows of any view: by `open_time` where keys have one, else in the order of its key.

use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::filter::{self, FIELDS, FILTERS, FilterQuery};
use crate::format::Line;
use crate::parameter::{ParameterType, RouteParameter, joined, total};
use crate::problem::Problem;
use crate::query::AS_OF;
use rows::{Page, Scan, View};

use super::frame::{FRAME, Form, Frame};
use super::{
    Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, deprecate, reads, respond,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/views/{view}",
        access: ROWS,
        doc: "rows of a view",
        parameters: PARAMETERS,
    }],
    route,
};

const VIEW: RouteParameter =
    RouteParameter::path("view", ParameterType::Name("a view"), "the name of the view");

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] = &[&[VIEW], FILTERS, &[AS_OF, FIELDS, LIMIT.declared], FRAME];

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "views" / String)
        .and(reads())
        .then(move |name: String, request: RequestParts| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &name, &request);
                respond(request.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(
    context: &Context,
    name: &str,
    request: &RequestParts,
) -> Result<Response, Problem> {
    let view = context.view(name)?;
    let mut response = rows(context, view, request).await?;
    if let Some(present) = context.views.renamed(name) {
        deprecate(&mut response, &format!("/v1/views/{present}"));
    }
    Ok(response)
}

async fn rows(
    context: &Context,
    view: &'static View,
    request: &RequestParts,
) -> Result<Response, Problem> {
    let (scan, form) = read(context, view, request)?;
    form.reached(context, scan.as_of).await?;
    // Without `from` the limit keeps the latest rows; the answer begins with the earliest all the same.
    let reverse = scan.latest_first;
    let Page { frontier, mut rows, more } = context.reader.scan(scan).await?;
    if reverse {
        rows.reverse();
    }
    let lines: Vec<Line> = rows.into_iter().map(|cells| Line { cells, filled: None }).collect();
    let frame = Frame {
        view,
        head: vec![("view", view.name.to_owned())],
        hidden: &[],
        list: "rows",
        frontier,
        lines,
        more,
        marked: false,
    };
    frame.answer(context, &form).await
}

fn read(
    context: &Context,
    view: &'static View,
    request: &RequestParts,
) -> Result<(Scan, Form), Problem> {
    let FilterQuery { mut query, texts } = FilterQuery::new(&request.query, PARAMETERS, view);
    let filter = filter::row_filter(&mut query, context, view, texts);
    let as_of = query.as_of(view);
    let limit = query.count(&LIMIT);
    let form = Form::read(&mut query, context, view, &request.headers);
    query.finish()?;
    let (filter, form) = (filter?, form?);
    let latest_first = filter.from.is_none();
    Ok((Scan { view, filter, latest_first, limit, as_of }, form))
}
