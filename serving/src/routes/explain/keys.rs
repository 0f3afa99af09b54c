//! The key of the row that is explained: one text, or its columns by themselves.

use market::{EventTime, Timeframe};

use crate::Context;
use crate::parameter::{ParameterType, RouteParameter};
use crate::query::{Query, read_time};
use crate::routes::smallest;

pub(super) const KEY: RouteParameter = RouteParameter::query(
    "key",
    ParameterType::RowKey,
    "the key of the row, its columns joined by `|`: `a:B|1m|2026-01-05T14:30:00Z`, or `portfolio|a:B`; the answer repeats it",
);
pub(super) const SYMBOL: RouteParameter = RouteParameter::query(
    "symbol",
    ParameterType::Symbol,
    "instead of `key`: the instrument of the row",
)
.or(&["instrument"]);
pub(super) const TIMEFRAME: RouteParameter = RouteParameter::query(
    "timeframe",
    ParameterType::Timeframe,
    "instead of `key`: the timeframe of the bar",
)
.or(&["tf"]);
pub(super) const OPEN_TIME: RouteParameter =
    RouteParameter::query("open_time", ParameterType::Time, "instead of `key`: when the bar opens");
pub(super) const PORTFOLIO: RouteParameter = RouteParameter::query(
    "portfolio",
    ParameterType::Text,
    "instead of `key`: the portfolio of the position",
);
/// The texts of a key; without values if they were wrong, which is an error of the query.
pub(super) enum KeyTexts {
    Bar { symbol: String, timeframe: Timeframe, open_time: EventTime },
    Position { portfolio: String, symbol: String },
}

pub(super) fn bar_key(query: &mut Query<'_>, context: &Context) -> KeyTexts {
    query.reject(&PORTFOLIO, "cannot be asked of `candles`: it has no column `portfolio`");
    let separate =
        [query.has(&SYMBOL), query.has(&TIMEFRAME), query.has(&OPEN_TIME)].contains(&true);
    let none = || KeyTexts::Bar {
        symbol: String::new(),
        timeframe: smallest(context),
        open_time: EventTime::NEVER,
    };
    let key = query.parsed(&KEY, |text| {
        let mut parts = text.rsplitn(3, '|'); // times and timeframes have no `|`
        let (time, timeframe, symbol) = (parts.next(), parts.next(), parts.next());
        let form = "is not an instrument, a timeframe and a time joined by `|`";
        let (Some(time), Some(timeframe), Some(symbol)) = (time, timeframe, symbol) else {
            return Err((form.to_owned(), vec!["a:B|1m|2026-01-05T14:30:00Z".to_owned()]));
        };
        let wrong = |wrong: String| (format!("{form}: {wrong}"), Vec::new());
        let timeframe = Timeframe::among(timeframe, &context.timeframes).map_err(wrong)?;
        let open_time = read_time(time).map_err(wrong)?;
        Ok(KeyTexts::Bar { symbol: symbol.to_owned(), timeframe, open_time })
    });
    if query.has(&KEY) {
        only_key(query, separate);
        return key.unwrap_or_else(none);
    }
    let symbol = query.parsed(&SYMBOL, |text| Ok(text.to_owned()));
    let timeframe = query.timeframe(&TIMEFRAME, &context.timeframes);
    let open_time = query.time(&OPEN_TIME);
    needed(query, &[&SYMBOL, &OPEN_TIME]);
    let timeframe = timeframe.unwrap_or_else(|| smallest(context));
    let open_time = open_time.unwrap_or(EventTime::NEVER);
    KeyTexts::Bar { symbol: symbol.unwrap_or_default(), timeframe, open_time }
}

pub(super) fn position_key(query: &mut Query<'_>) -> KeyTexts {
    for parameter in [&TIMEFRAME, &OPEN_TIME] {
        query.reject(parameter, "cannot be asked of `positions`: it has no such column");
    }
    let key = query.parsed(&KEY, |text| match text.split_once('|') {
        Some((portfolio, symbol)) => Ok((portfolio.to_owned(), symbol.to_owned())),
        None => {
            let form = "is not a portfolio and an instrument joined by `|`";
            Err((form.to_owned(), vec!["portfolio|a:B".to_owned()]))
        }
    });
    let separate = query.has(&SYMBOL) || query.has(&PORTFOLIO);
    let (portfolio, symbol) = if query.has(&KEY) {
        only_key(query, separate);
        key.unwrap_or_default()
    } else {
        let portfolio = query.parsed(&PORTFOLIO, |text| Ok(text.to_owned()));
        let symbol = query.parsed(&SYMBOL, |text| Ok(text.to_owned()));
        needed(query, &[&PORTFOLIO, &SYMBOL]);
        (portfolio.unwrap_or_default(), symbol.unwrap_or_default())
    };
    KeyTexts::Position { portfolio, symbol }
}

/// A key says all, so nothing may stand beside it.
fn only_key(query: &mut Query<'_>, separate: bool) {
    if separate {
        let detail = "`key` says which row it is; leave the other names out".to_owned();
        query.error(KEY.name, "repeated", detail, Vec::new());
    }
}

fn needed(query: &mut Query<'_>, parameters: &[&RouteParameter]) {
    let missing: Vec<&str> =
        parameters.iter().filter(|one| !query.has(one)).map(|one| one.name).collect();
    if !missing.is_empty() {
        let detail = format!("which row? `key` is not given, nor is `{}`", missing.join("`, `"));
        query.error(KEY.name, "required", detail, Vec::new());
    }
}
