//! `GET /v1/views`: all views, with type, unit and meaning of their columns.

use rows::{Column, Scale, Unit};
use serde::Serialize;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::format::Format;
use crate::problem::Problem;
use crate::query::Query;

use super::{
    Endpoint, FrontierJson, READ, ROWS, RequestParts, Route, RouteEntry, json, reads, respond,
    stamp,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/views",
        access: ROWS,
        doc: "the views with number of rows and columns: type, unit, scale, words, nullable, key, doc",
        parameters: &[super::ACCEPT_JSON],
    }],
    route,
};

#[derive(Serialize)]
struct ViewsJson {
    frontier: FrontierJson,
    views: Vec<ViewJson>,
}

#[derive(Serialize)]
struct ViewJson {
    name: &'static str,
    kind: &'static str,
    doc: &'static str,
    /// Not shown to clients for whom there are some of the rows only.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    key: Vec<&'static str>,
    columns: Vec<ColumnJson>,
}

/// A column; what its type does not have is left out.
#[derive(Serialize)]
struct ColumnJson {
    name: &'static str,
    #[serde(rename = "type")]
    column_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<ScaleJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'static [&'static str]>,
    nullable: bool,
    key: bool,
    doc: &'static str,
}

/// The number of decimals, or what of the row's instrument gives it.
#[derive(Serialize)]
#[serde(untagged)]
enum ScaleJson {
    Fixed(u8),
    Of(String),
}

impl From<&Column> for ColumnJson {
    fn from(column: &Column) -> ColumnJson {
        let Column { name, column_type, unit, is_nullable, is_key, doc } = *column;
        let scale = column_type.scale().map(|scale| match scale {
            Scale::Fixed(decimals) => ScaleJson::Fixed(decimals),
            of => ScaleJson::Of(of.to_string()),
        });
        ColumnJson {
            name,
            column_type: column_type.name(),
            unit: unit.map(Unit::name),
            scale,
            words: column_type.words(),
            nullable: is_nullable,
            key: is_key,
            doc,
        }
    }
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "views")
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    Format::accepted(&request.headers, &[Format::Json])?;
    let frontier = context.reader.frontier();
    let views = context.visible_views().map(|view| {
        let columns = view.columns.iter();
        ViewJson {
            name: view.name,
            kind: view.kind.name(),
            doc: view.doc,
            rows: (!context.client.visible().are_limited()).then(|| context.reader.count(view)),
            key: columns.clone().filter(|c| c.is_key).map(|c| c.name).collect(),
            columns: columns.map(ColumnJson::from).collect(),
        }
    });
    let body =
        ViewsJson { frontier: FrontierJson::of(context.run, frontier), views: views.collect() };
    let mut response = json(StatusCode::OK, "application/json", &body)?;
    stamp(&mut response, frontier);
    Ok(response)
}
