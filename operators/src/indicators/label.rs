//! Configured indicators and their labels: `sma20`, `macd12_26_9`, `bb20_2.5`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use market::{Bar, Calendars, EventTime};

use super::INDICATORS;
use super::column::Column;
use super::spec::{IndicatorError, IndicatorSpec, Params, Recipe};

/// An indicator with its parameters.
///
/// It is written as its name and its parameters with `_` between them; the last ones may be left out.
///
/// ```
/// use operators::indicators::Indicator;
/// let rsi: Indicator = "rsi".parse().unwrap();
/// assert_eq!(rsi.label(), "rsi14");
/// let bands: Indicator = "bb20_2.5".parse().unwrap();
/// assert_eq!(bands.outputs(), ["upper", "middle", "lower"]);
/// let wrong = "macd26_12".parse::<Indicator>().unwrap_err();
/// assert_eq!(wrong.to_string(), "fast of macd is 26; it must be below slow, which is 12");
/// ```
#[derive(Clone)]
pub struct Indicator {
    spec: &'static dyn IndicatorSpec,
    params: Params,
    recipe: Arc<dyn Recipe>,
}

impl Indicator {
    /// `spec` with `given` as its first parameters, and defaults for the others.
    pub fn new(
        spec: &'static dyn IndicatorSpec,
        given: &[f64],
    ) -> Result<Indicator, IndicatorError> {
        if given.len() > spec.parameters().len() {
            return Err(IndicatorError::TooMany {
                text: written(spec.name(), given),
                given: given.len(),
                usage: usage(spec),
            });
        }
        let params = Params::checked(spec, given)?;
        let recipe = spec.build(&params)?.into();
        Ok(Indicator { spec, params, recipe })
    }

    /// What kind it is.
    pub fn spec(&self) -> &'static dyn IndicatorSpec {
        self.spec
    }

    /// Its parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Its name with all parameters; parses back to it.
    pub fn label(&self) -> String {
        written(self.spec.name(), self.params.as_slice())
    }

    /// See [`IndicatorSpec::outputs`].
    pub fn outputs(&self) -> &'static [&'static str] {
        self.spec.outputs()
    }

    /// See [`IndicatorSpec::reference`].
    pub fn reference(
        &self,
        bars: &[(EventTime, Bar)],
        calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        self.spec.reference(&self.params, bars, calendars)
    }

    pub(super) fn column(&self) -> Box<dyn Column> {
        self.recipe.column()
    }
}

impl FromStr for Indicator {
    type Err = IndicatorError;

    fn from_str(text: &str) -> Result<Indicator, IndicatorError> {
        let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let (name, numbers) = text.split_at(digits);
        let Some(spec) = INDICATORS.iter().copied().find(|spec| spec.name() == name) else {
            let known: Vec<_> = INDICATORS.iter().map(|spec| spec.name()).collect();
            return Err(IndicatorError::Unknown {
                text: shortened(text),
                nearest: as_meant(text).or_else(|| nearest(name, &known).map(str::to_owned)),
                known: known.join(", "),
            });
        };
        let numbers = if numbers.is_empty() { Vec::new() } else { numbers.split('_').collect() };
        let given = numbers.into_iter().map(|number| {
            let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            number.parse::<f64>().ok().filter(|_| plain).ok_or_else(|| {
                let (text, value) = (shortened(text), shortened(number));
                IndicatorError::NotANumber { text, value, usage: usage(spec) }
            })
        });
        Indicator::new(spec, &given.collect::<Result<Vec<_>, _>>()?)
    }
}

/// The label of an indicator that is written otherwise: `SMA20`, `sma_20`, `MACD(12,26,9)`.
fn as_meant(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| c.is_ascii_digit()).unwrap_or(lower.len());
    let (name, numbers) = lower.split_at(digits);
    let name = name.trim_end_matches(['_', '-', '(', ' ']);
    let numbers = numbers.trim_end_matches(')').replace([',', '-'], "_").replace(' ', "");
    let plain = format!("{name}{numbers}");
    let is_other = plain != text && !numbers.is_empty();
    let indicator = is_other.then(|| plain.parse::<Indicator>().ok())??;
    Some(indicator.label())
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl fmt::Debug for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

fn written(name: &str, numbers: &[f64]) -> String {
    let numbers: Vec<_> = numbers.iter().map(f64::to_string).collect();
    format!("{name}{}", numbers.join("_"))
}

/// How an indicator is written: `write macd or macd12_26_9 (fast, slow, signal)`.
fn usage(spec: &dyn IndicatorSpec) -> String {
    let name = spec.name();
    let defaults: Vec<_> = spec.parameters().iter().map(|parameter| parameter.default).collect();
    let names: Vec<_> = spec.parameters().iter().map(|parameter| parameter.name).collect();
    match names.is_empty() {
        true => format!("write {name}, it has none"),
        false => format!("write {name} or {} ({})", written(name, &defaults), names.join(", ")),
    }
}

/// As much of a text as an error shows.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The known name that `name` was most likely meant to be.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name: Vec<char> = name.to_lowercase().chars().take(64).collect();
    let far = known.iter().map(|known| (distance(&name, known), *known));
    let (distance, nearest) = far.min_by_key(|(distance, _)| *distance)?;
    (distance * 2 <= name.len().max(nearest.len())).then_some(nearest)
}

/// How many letters must be put in, left out or changed to make one of the other.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (j, b) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = j + 1;
        for (i, a) in a.iter().enumerate() {
            let changed = diagonal + usize::from(*a != b);
            diagonal = row[i + 1];
            row[i + 1] = changed.min(row[i] + 1).min(row[i + 1] + 1);
        }
    }
    row[a.len()]
}
