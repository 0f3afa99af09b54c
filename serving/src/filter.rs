//! The row filter and the columns of a request: by instrument, portfolio, timeframe and time, and by the text of any
//! other column. Several values are separated by commas.

use market::{PortfolioId, Timeframe};

use super::Context;
use super::column_text::{NoSuchText, column_bound, column_text};
use super::parameter::{ParameterType, RouteParameter};
use super::problem::Problem;
use super::query::{FROM, Query, TO, listed, named, shown};
use super::symbol::resolve;
use rows::{Cell, Column, ColumnType, Comparator, Comparison, OPEN_TIME, RowFilter, View};

/// The parameters of a request, with the conditions on columns separated.
pub(super) struct FilterQuery<'a> {
    /// All other parameters.
    pub(super) query: Query<'a>,
    pub(super) columns: ColumnConditions,
}

/// Conditions on columns that have no parameter of their own.
#[derive(Default)]
pub(super) struct ColumnConditions {
    /// By number of a column: the texts that it may have.
    pub(super) texts: Vec<(usize, Vec<String>)>,
    comparisons: Vec<Comparison>,
}

const SYMBOL: RouteParameter = RouteParameter::query(
    "symbol",
    ParameterType::Symbol,
    "rows of these instruments, if the view has a column `instrument`",
)
.or(&["instrument", "symbols"])
.several();
const TIMEFRAME: RouteParameter =
    RouteParameter::query("timeframe", ParameterType::Timeframe, "rows of these timeframes")
        .or(&["tf"])
        .several();
const PORTFOLIO: RouteParameter =
    RouteParameter::query("portfolio", ParameterType::Text, "rows of these portfolios").several();
const COLUMN: RouteParameter = RouteParameter::query(
    "{column}",
    ParameterType::ColumnText,
    "rows with one of these values in the column of this name; for all columns without a parameter of their own. \
     `{column}[gte]`, `[gt]`, `[lte]` and `[lt]` bound any column of numbers or times: `price[gte]=100.5`",
)
.several();

/// The parameters of filters.
pub(super) const FILTERS: &[RouteParameter] = &[SYMBOL, TIMEFRAME, PORTFOLIO, FROM, TO, COLUMN];

/// Those of a log that has events of instruments.
pub(super) const EVENT_FILTERS: &[RouteParameter] = &[SYMBOL, TIMEFRAME, FROM, TO, COLUMN];

/// The columns of an answer.
pub(super) const FIELDS: RouteParameter = RouteParameter::query(
    "fields",
    ParameterType::Columns,
    "leaves out all other columns, but never those of the key",
)
.several();

/// Names that columns have elsewhere, in posts or in files, each with that of the views.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("symbol", "instrument"),
    ("tf", "timeframe"),
    ("quantity", "size"),
    ("size", "quantity"),
    ("provider", "source"),
];

/// The number of the column of this name, or of this [other name](OTHER_NAMES).
fn column_named(view: &View, name: &str) -> Option<usize> {
    let other = || OTHER_NAMES.iter().filter(|(other, _)| *other == name);
    view.column(name).or_else(|| other().find_map(|(_, own)| view.column(own)))
}

/// The most values of one parameter.
const VALUES_MAX: usize = 1_000;

impl<'a> FilterQuery<'a> {
    /// The parameters of a request for `view`; `declared` are those of the route, [`FILTERS`] among them.
    pub(super) fn new(
        pairs: &'a [(String, String)],
        declared: &'static [RouteParameter],
        view: &View,
    ) -> FilterQuery<'a> {
        let by_name = |name: &str| {
            let other = named(declared).any(|parameter| parameter.is_named(name));
            column_named(view, name).filter(|_| !other)
        };
        let mut columns: Vec<(usize, &str)> = Vec::new();
        let mut bounds: Vec<(usize, Comparator, &(String, String))> = Vec::new();
        let mut rest = Vec::new();
        let mut repeated = None;
        for pair in pairs {
            if let Some((column, comparator)) = compared(view, &pair.0) {
                if bounds.iter().any(|(at, known, _)| (*at, *known) == (column, comparator)) {
                    repeated = Some(&pair.0);
                }
                bounds.push((column, comparator, pair));
                continue;
            }
            match by_name(&pair.0) {
                Some(column) if columns.iter().any(|(known, _)| *known == column) => {
                    repeated = Some(&pair.0);
                }
                Some(column) => columns.push((column, &pair.1)),
                None => rest.push(pair),
            }
        }
        let names = view.columns.iter().map(|column| column.name);
        let names = names.filter(|name| by_name(name).is_some()).collect();
        let mut query = Query::beside_columns(rest, declared, names);
        if let Some(name) = repeated {
            let detail = format!("`{name}` is given more than once; separate values by commas");
            query.error(name, "repeated", detail, Vec::new());
        }
        let texts = columns.into_iter().map(|(column, text)| {
            (column, column_texts(&mut query, &view.columns[column], values(text)))
        });
        let texts = texts.collect();
        let bounds = bounds.into_iter().filter_map(|(column, comparator, (name, text))| {
            let bound = bound(&mut query, &view.columns[column], name, text)?;
            Some(Comparison { column, comparator, bound })
        });
        let comparisons = bounds.collect();
        FilterQuery { query, columns: ColumnConditions { texts, comparisons } }
    }
}

/// The column and the comparator of a name such as `price[gte]`, of columns that have an order.
fn compared(view: &View, name: &str) -> Option<(usize, Comparator)> {
    let (column, comparator) = name.strip_suffix(']')?.split_once('[')?;
    let column = column_named(view, column)?;
    has_order(view.columns[column].column_type).then_some((column, Comparator::named(comparator)?))
}

/// Whether cells of a type are on a side of a bound.
fn has_order(column_type: ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Unsigned
            | ColumnType::Identifier
            | ColumnType::Decimal(_)
            | ColumnType::Number
            | ColumnType::Time
    )
}

/// The bound of a comparison; an error if it is no value of the column.
fn bound(query: &mut Query<'_>, column: &Column, name: &str, text: &str) -> Option<Cell> {
    match column_bound(column, text) {
        Ok(bound) => Some(bound),
        Err(NoSuchText { code, why, allowed, .. }) => {
            query.error(name, code, format!("{}={} {why}", shown(name), shown(text)), allowed);
            None
        }
    }
}

/// Values of a column; an error for each that no row can have.
fn column_texts(query: &mut Query<'_>, column: &Column, texts: Vec<String>) -> Vec<String> {
    let mut read = Vec::with_capacity(texts.len());
    for text in texts {
        if query.is_hopeless() {
            break; // no more errors are told
        }
        match column_text(column, &text) {
            Ok(text) => read.push(text),
            Err(NoSuchText { code, why, allowed, similar }) => {
                let detail = format!("{}={} {why}", column.name, shown(&text));
                query.error(column.name, code, detail, allowed);
                query.suggest(similar);
            }
        }
    }
    read
}

/// The row filter of a query. Errors of parameters are recorded in `query`; the returned error is an unknown
/// instrument.
pub(super) fn row_filter(
    query: &mut Query<'_>,
    context: &Context,
    view: &View,
    columns: ColumnConditions,
) -> Result<RowFilter, Problem> {
    let many = |text: &str| match values(text) {
        values if values.len() > VALUES_MAX => {
            Err((format!("has more than {VALUES_MAX} values"), Vec::new()))
        }
        values => Ok(values),
    };
    // A filter on a column that the view does not have is an error; it must not be ignored.
    for (parameter, column) in [
        (&SYMBOL, "instrument"),
        (&PORTFOLIO, "portfolio"),
        (&TIMEFRAME, "timeframe"),
        (&FROM, OPEN_TIME),
        (&TO, OPEN_TIME),
    ] {
        if view.column(column).is_none() && (column != OPEN_TIME || view.time_column().is_none()) {
            let of = view.name;
            let why = format!("cannot be asked of `{of}`: it has no column `{column}`");
            query.reject(parameter, &why);
        }
    }
    let symbols = query.parsed(&SYMBOL, many);
    let portfolios = query.parsed(&PORTFOLIO, many);
    let timeframes = query.parsed(&TIMEFRAME, |text| {
        let read = |text: &String| Timeframe::among(text, &context.timeframes);
        let read: Result<Vec<Timeframe>, String> = values(text).iter().map(read).collect();
        read.map_err(|wrong| (wrong, listed(&context.timeframes)))
    });
    let (from, to) = query.interval();
    let instruments = symbols.map(|symbols| {
        let found = symbols.iter().map(|symbol| resolve(context, symbol));
        found.map(|found| found.map(|instrument| instrument.id)).collect::<Result<Vec<_>, _>>()
    });
    let wanted = RowFilter {
        instruments: instruments.transpose()?,
        portfolios: portfolios.map(|all| all.iter().map(|name| PortfolioId::of(name)).collect()),
        timeframes,
        from,
        to,
        texts: columns.texts,
        comparisons: columns.comparisons,
        ..RowFilter::default()
    };
    // Also part of what subscribers share, so that those of different keys share only what both may see.
    Ok(context.client.visible().narrow(view, wanted))
}

/// The columns that [`FIELDS`] leaves out. Key columns are always included.
pub(super) fn hidden(query: &mut Query<'_>, view: &View) -> Vec<&'static str> {
    let fields = query.parsed(&FIELDS, |text| {
        let fields = text.split(',').map(str::trim);
        let fields = fields.map(|field| column_named(view, field).ok_or(field));
        fields.collect::<Result<Vec<usize>, &str>>().map_err(|unknown| {
            let all = view.columns.iter().map(|column| column.name.to_owned());
            (format!("names `{unknown}`, which is no column of it"), all.collect())
        })
    });
    let Some(fields) = fields else { return Vec::new() };
    let columns = view.columns.iter().enumerate();
    let left_out = columns.filter(|(at, column)| !column.is_key && !fields.contains(at));
    left_out.map(|(_, column)| column.name).collect()
}

fn values(text: &str) -> Vec<String> {
    text.split(',').map(|value| value.trim().to_owned()).collect()
}
