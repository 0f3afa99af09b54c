//! `GET /v1/views/{view}`: the rows of any view, in the order of its key.

use market::Timeframe;
use serde_json::Value;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::serve::Context;
use crate::serve::format::{Format, Line, Shown};
use crate::serve::problem::{Problem, UNAVAILABLE, UNKNOWN_PATH};
use crate::serve::query::{Known, Query, shown};
use crate::serve::symbol::{closest, resolve};
use crate::views::{Page, Scan, VIEWS, View, Wanted, view};

use super::{
    Asked, Endpoint, Entry, FrontierJson, LIMIT_DEFAULT, LIMIT_MAX, READ, Route, X_MORE, answered,
    reads, set, stamp, text,
};

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
    let (scan, format, numbers_as_strings) = read(context, view, asked)?;
    // Without a beginning the latest rows are kept; rows are told in the order of the key all the same.
    let reverse = scan.latest_first;
    let page = context.reader.scan(scan).await;
    let mut page = page.map_err(|error| Problem::new(UNAVAILABLE, error.to_string()))?;
    if reverse {
        page.rows.reverse();
    }
    let body = write(context, view, &page, format, numbers_as_strings)?;
    let mut response = text(StatusCode::OK, format.content_type(), body);
    stamp(&mut response, page.frontier);
    set(&mut response, X_MORE, if page.more { "true" } else { "false" });
    Ok(response)
}

fn read(
    context: &Context,
    view: &'static View,
    asked: &Asked,
) -> Result<(Scan, Format, bool), Problem> {
    let mut query = Query::new(&asked.query, PARAMETERS);
    // What a view has no column for must not be passed over in silence.
    let lacks = |column: &str| {
        let has = view.columns.iter().any(|own| own.name == column);
        (!has).then(|| format!("cannot be asked of `{}`: it has no column `{column}`", view.name))
    };
    let symbol = query.parsed("symbol", |text| match lacks("instrument") {
        Some(problem) => Err((problem, Vec::new())),
        None => Ok(text.to_owned()),
    });
    let timeframe = query.parsed("timeframe", |text| {
        if let Some(problem) = lacks("timeframe") {
            return Err((problem, Vec::new()));
        }
        let allowed = context.timeframes.iter().map(Timeframe::to_string).collect();
        text.parse::<Timeframe>().map_err(|_| ("is not a timeframe".to_owned(), allowed))
    });
    let (from, to) = (query.time("from"), query.time("to"));
    for (name, time) in [("from", from), ("to", to)] {
        if let (Some(_), Some(problem)) = (time, lacks("open_time")) {
            query.fault(name, "unknown", format!("`{name}` {problem}"), Vec::new());
        }
    }
    let limit = query.count("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    let numbers = query.word("numbers", &[("number", false), ("string", true)]);
    let formats: Vec<_> = Format::ALL.iter().map(|format| (format.name(), *format)).collect();
    let format = query.word("format", &formats);
    query.finish()?;
    let instrument = symbol.map(|symbol| resolve(&context.catalog, &symbol)).transpose()?;
    let format = match format {
        Some(format) => format,
        None => Format::accepted(&asked.headers, Format::ALL)?,
    };
    let wanted = Wanted {
        instruments: instrument.map(|instrument| vec![instrument.id]),
        timeframes: timeframe.map(|timeframe| vec![timeframe]),
        from,
        to,
        ..Wanted::default()
    };
    let scan = Scan { view, wanted, latest_first: from.is_none(), limit };
    Ok((scan, format, numbers.unwrap_or(false)))
}

fn write(
    context: &Context,
    view: &'static View,
    page: &Page,
    format: Format,
    numbers_as_strings: bool,
) -> Result<String, Problem> {
    let columns = view.columns;
    let shown = Shown { columns, hidden: &[], catalog: &context.catalog, numbers_as_strings };
    let lines: Vec<Line> =
        page.rows.iter().map(|cells| Line { cells: cells.clone(), filled: None }).collect();
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, view = view.name, "rows could not be written");
        Problem::internal()
    };
    let mut out = String::new();
    match format {
        Format::Csv => out = shown.csv(&lines, false).map_err(|error| failed(&error))?,
        Format::Ndjson => {
            for line in &lines {
                shown.json(line, &mut out);
                out.push('\n');
            }
        }
        Format::Json => {
            let frontier = serde_json::to_string(&FrontierJson::from(page.frontier));
            let frontier = frontier.map_err(|error| failed(&error))?;
            let name = Value::String(view.name.to_owned());
            out.push_str(&format!("{{\"view\":{name},\"frontier\":{frontier},\"rows\":["));
            for (at, line) in lines.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                shown.json(line, &mut out);
            }
            out.push_str(if page.more { "],\"more\":true}" } else { "],\"more\":false}" });
        }
    }
    Ok(out)
}
