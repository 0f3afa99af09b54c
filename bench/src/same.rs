//! Whether the plain loop and the engine came to the same rows.

use std::collections::BTreeMap;

use cost::Loop;
use market::{CandleKey, Catalog, EventTime, InstrumentId, Timeframe};

use dataflows::publish::BoardReader;
use dataflows::view_list::VIEWS;
use rows::{Cell, ReadError, RowFilter, Scan, View};

/// The loop's numbers of the outputs of indicators.
const OUTPUTS: [(&str, &str); 9] = [
    ("sma20", "sma"),
    ("ema20", "ema"),
    ("rsi14", "rsi"),
    ("macd12_26_9", "macd"),
    ("macd12_26_9", "signal"),
    ("macd12_26_9", "histogram"),
    ("bb20_2", "upper"),
    ("bb20_2", "middle"),
    ("bb20_2", "lower"),
];

/// The bars whose values, or indicators bit for bit, are not the same in both; a key of no bar stands for positions and
/// portfolios that are not.
pub fn differences(
    reader: &BoardReader,
    catalog: &Catalog,
    plain: &Loop,
) -> Result<Vec<CandleKey>, ReadError> {
    let mut wrong = Vec::new();
    let (mut candles, mut numbers) = (0, 0);
    for instrument in catalog.all() {
        let of = |view| Scan { filter: RowFilter::of_instrument(instrument.id), ..Scan::all(view) };
        for (key, candle) in reader.read_candles(&of(view("candles")))?.rows {
            candles += 1;
            if plain.views.candles.get(&key) != Some(&candle.bar) {
                wrong.push(key);
            }
        }
        for row in reader.read(&of(view("indicators")))?.rows {
            numbers += 1;
            if let Some((key, is_same)) = number(&row, plain)
                && !is_same
            {
                wrong.push(key);
            }
        }
    }
    let output = plain.views.indicators.values();
    let output: usize = output.map(|row| row.0.iter().filter(|n| !n.is_nan()).count()).sum();
    if candles != plain.views.candles.len() || numbers != output || !accounts(reader, plain)? {
        wrong.push(CandleKey {
            instrument: InstrumentId(0),
            timeframe: Timeframe::MINUTE,
            open_time: EventTime::NEVER,
        });
    }
    Ok(wrong)
}

fn view(name: &str) -> &'static View {
    VIEWS.iter().find(|view| view.name == name).unwrap_or(&VIEWS[0]) // it is in the list
}

/// Whether the loop has the number of a row of indicators.
fn number(row: &[Cell], plain: &Loop) -> Option<(CandleKey, bool)> {
    let [
        Cell::Instrument(instrument),
        Cell::Timeframe(timeframe),
        Cell::Time(open_time),
        Cell::Text(indicator),
        Cell::Text(output),
        Cell::Number(bits),
        ..,
    ] = row
    else {
        return None;
    };
    let key = CandleKey { instrument: *instrument, timeframe: *timeframe, open_time: *open_time };
    let at = OUTPUTS.iter().position(|(i, o)| i == indicator && o == output)?;
    let own = plain.views.indicators.get(&key).map(|numbers| numbers.0[at].to_bits());
    Some((key, own == Some(*bits)))
}

/// Whether positions and portfolios are the same.
fn accounts(reader: &BoardReader, plain: &Loop) -> Result<bool, ReadError> {
    let Some(plain_rows) = plain.portfolios() else { return Ok(true) };
    let decimal = |cell: &Cell| match cell {
        Cell::Decimal { mantissa, .. } => Some(*mantissa),
        _ => None,
    };
    let positions = reader.read(&Scan::all(view("positions")))?.rows;
    let same = positions.iter().all(|row| {
        let [Cell::Portfolio(portfolio), Cell::Instrument(instrument), rest @ ..] = &**row else {
            return false;
        };
        let Some(own) = plain_rows.rows.get(&(*portfolio, *instrument)) else { return false };
        let base: Option<Vec<i128>> = rest[11..].iter().map(decimal).collect();
        decimal(&rest[0]) == Some(own.quantity)
            && decimal(&rest[4]) == Some(own.basis)
            && decimal(&rest[5]) == own.value
            && base == own.base.map(|base| base.to_vec())
    });
    let portfolios = reader.read(&Scan::all(view("portfolios")))?.rows;
    let totals: BTreeMap<_, _> = plain_rows.totals.iter().collect();
    let summed = portfolios.iter().all(|row| {
        let [
            Cell::Portfolio(portfolio),
            _,
            Cell::Unsigned(open),
            Cell::Unsigned(unpriced),
            Cell::Unsigned(0), // all fees are in the base currency
            rest @ ..,
        ] = &**row
        else {
            return false;
        };
        let amounts: Option<Vec<i128>> = rest.iter().map(decimal).collect();
        totals.get(portfolio).is_some_and(|own| {
            (own.open, own.unpriced) == (*open, *unpriced)
                && amounts.as_deref() == Some(&own.amounts[..])
        })
    });
    let counts =
        (positions.len(), portfolios.len()) == (plain_rows.rows.len(), plain_rows.totals.len());
    Ok(same && summed && counts)
}
