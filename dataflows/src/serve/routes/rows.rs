//! `GET /v1/views/{view}`: the rows of any view, in the order of its key.

use warp::Filter;
use warp::reply::Response;

use crate::serve::Context;
use crate::serve::format::Line;
use crate::serve::problem::{Problem, UNKNOWN_PATH};
use crate::serve::query::{Known, Query, shown};
use crate::serve::symbol::{closest, resolve};
use crate::views::{Page, Scan, VIEWS, View, view};

use super::frame::{Form, Frame};
use super::{Asked, Endpoint, Entry, LIMIT_DEFAULT, LIMIT_MAX, READ, Route, answered, reads};

pub(super) const ENTRY: Entry = Entry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/views/{view}",
        doc: "rows of a view; ?symbol= &timeframe= &from= &to= &limit= &numbers= &format=",
    }],
    route,
};

const PARAMETERS: Known = &[
    &["symbol", "instrument"],
    &["timeframe", "tf"],
    &["from"],
    &["to"],
    &["limit"],
    &["numbers"],
    &["format"],
];

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "views" / String)
        .and(reads())
        .then(move |name: String, asked: Asked| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &name, &asked);
                answered(asked.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(context: &Context, name: &str, asked: &Asked) -> Result<Response, Problem> {
    let view = view(name).ok_or_else(|| {
        let known: Vec<_> = VIEWS.iter().map(|view| view.name).collect();
        let detail = format!("no view is named `{}` (known: {})", shown(name), known.join(", "));
        let near = closest(known.into_iter(), name);
        Problem::new(UNKNOWN_PATH, detail).suggestions(near)
    })?;
    let (scan, form) = read(context, view, asked)?;
    if let Some(unchanged) = form.unchanged(context, view, asked) {
        return Ok(unchanged);
    }
    // Without a beginning the latest rows are kept; rows are told in the order of the key all the same.
    let reverse = scan.latest_first;
    let Page { frontier, mut rows, more } = context.reader.scan(scan).await?;
    if reverse {
        rows.reverse();
    }
    let lines: Vec<Line> = rows.into_iter().map(|cells| Line { cells, filled: None }).collect();
    let frame = Frame {
        view,
        head: &[("view", view.name.to_owned())],
        hidden: &[],
        list: "rows",
        frontier,
        lines: &lines,
        more,
        marked: false,
    };
    frame.answer(context, &form)
}

fn read(context: &Context, view: &'static View, asked: &Asked) -> Result<(Scan, Form), Problem> {
    let mut query = Query::new(&asked.query, PARAMETERS);
    // What a view has no column for must not be passed over in silence.
    for (name, column) in [
        ("symbol", "instrument"),
        ("timeframe", "timeframe"),
        ("from", "open_time"),
        ("to", "open_time"),
    ] {
        if !view.columns.iter().any(|own| own.name == column) {
            let of = view.name;
            query.refuse(name, &format!("cannot be asked of `{of}`: it has no column `{column}`"));
        }
    }
    let symbol = query.parsed("symbol", |text| Ok(text.to_owned()));
    let timeframe = query.timeframe("timeframe", &context.timeframes);
    let (from, to) = query.interval();
    let limit = query.count("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    let form = Form::read(&mut query, &asked.headers);
    query.finish()?;
    let form = form?;
    let instrument = symbol.map(|symbol| resolve(&context.catalog, &symbol)).transpose()?;
    let scan = Scan {
        view,
        instrument: instrument.map(|instrument| instrument.id),
        timeframe,
        from,
        to,
        latest_first: from.is_none(),
        limit,
    };
    Ok((scan, form))
}
