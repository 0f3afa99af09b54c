//! `[[rule]]`: when to raise an alert.

use market::{InstrumentId, RuleId, SeriesId, SharedRegistries, Timeframe};
use operators::indicators::{Indicator, IndicatorsConfig};
use operators::signals::{Condition, Direction, Pattern, Rule, Series, Settle};
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::jobs::Watched;

/// A rule as written: a name, what it watches, and exactly one condition.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRule {
    /// Required: its name, which no other rule has.
    pub name: String,
    /// The instruments that it watches. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<String>,
    /// The timeframes that it watches, among those of the job. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeframes: Vec<String>,
    /// `final`: bars count from when they are final; `at_once`: from their first trade. Default: `final`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    /// One series crosses another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross: Option<RawCross>,
    /// A series is beyond a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RawThreshold>,
    /// The close is beyond the highs or lows of the bars before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakout: Option<RawBreakout>,
    /// The candlestick pattern of this name, such as `doji`, ends at the bar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// `cross = { left = "close", right = "sma20", direction = "above" }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawCross {
    /// The series that crosses: `open`, `high`, `low`, `close`, `volume`, an indicator, or a number.
    pub left: String,
    /// The series that is crossed, in the same form.
    pub right: String,
    /// `above` or `below`.
    pub direction: String,
}

/// `threshold = { series = "rsi14", above = 70.0 }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawThreshold {
    /// The series that is compared, in the form that `cross` has.
    pub series: String,
    /// The rule holds above this level; exactly one of `above` and `below` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The rule holds below this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

/// `breakout = { bars = 20, direction = "above" }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawBreakout {
    /// How many bars are looked back on: 1 to 1,000.
    pub bars: usize,
    /// `above` or `below`.
    pub direction: String,
}

/// Checks the rules, and says which numbers they refer to; `timeframes` and `indicators` are the job's.
pub(super) fn check(
    raw: Vec<RawRule>,
    timeframes: &[Timeframe],
    indicators: &IndicatorsConfig,
    registries: &SharedRegistries,
) -> Result<(Vec<Rule>, Watched), ConfigError> {
    if raw.len() > usize::from(u16::MAX) {
        let problem = format!("{} rules are more than {}", raw.len(), u16::MAX);
        return Err(ConfigError::Value { place: "rule".to_owned(), problem });
    }
    let mut watched = Watched::new();
    let mut rules: Vec<Rule> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let place = format!("rule[{index}] (name `{}`)", raw.name);
        let mut find_value = |text: &str| {
            let (indicator, output) = find_number(text, indicators)?;
            let name = number_name(indicators, indicator, output);
            let id = registries.register_series(&name).map_err(|error| error.to_string())?;
            watched.insert(id, (indicator, output));
            Ok(id)
        };
        let id = registries.register_rule(&raw.name);
        let id = id.map_err(|error| ConfigError::at(place.clone())(error.to_string()))?;
        let rule = rule(raw, id, timeframes, &mut find_value);
        let rule = rule.map_err(ConfigError::at(place.clone()))?;
        if rules.iter().any(|other| other.name == rule.name) {
            return Err(ConfigError::at(place)("another rule has this name".to_owned()));
        }
        rules.push(rule);
    }
    Ok((rules, watched))
}

/// How a number is called in full, whichever way a rule writes it.
fn number_name(indicators: &IndicatorsConfig, indicator: u16, output: u8) -> String {
    let indicator = &indicators.indicators()[usize::from(indicator)];
    format!("{}.{}", indicator.label(), indicator.outputs()[usize::from(output)])
}

/// The number that `sma20` or `macd12_26_9.signal` names; without an output, the first.
pub(super) fn find_number(text: &str, indicators: &IndicatorsConfig) -> Result<(u16, u8), String> {
    let (label, output) = match text.split_once('.') {
        // A parameter may have decimals: bb20_2.5.upper
        Some(_) => match text.rsplit_once('.') {
            Some((label, output)) if output.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                (label, Some(output))
            }
            _ => (text, None),
        },
        None => (text, None),
    };
    let asked: Indicator = label.parse().map_err(|error| format!("{error}"))?;
    let known = indicators.indicators();
    let Some(index) = known.iter().position(|one| one.label() == asked.label()) else {
        let labels: Vec<_> = known.iter().map(Indicator::label).collect();
        return Err(format!(
            "`{}` is not among job.indicators ({})",
            asked.label(),
            labels.join(", ")
        ));
    };
    let outputs = asked.outputs();
    let output = match output {
        None => 0,
        Some(name) => outputs.iter().position(|one| *one == name).ok_or_else(|| {
            format!("`{label}` has no output `{name}` (possible: {})", outputs.join(", "))
        })?,
    };
    let index = u16::try_from(index).map_err(|error| error.to_string())?;
    Ok((index, u8::try_from(output).map_err(|error| error.to_string())?))
}

/// Gives a series to a text that is neither a part of a bar nor a number.
type FindValue<'a> = &'a mut dyn FnMut(&str) -> Result<SeriesId, String>;

fn rule(
    raw: RawRule,
    id: RuleId,
    computed: &[Timeframe],
    find_value: FindValue<'_>,
) -> Result<Rule, String> {
    if raw.name.is_empty() {
        return Err("a rule needs a `name`".to_owned());
    }
    let timeframes = raw.timeframes.iter().map(|text| {
        let timeframe: Timeframe = text.parse()?;
        match computed.contains(&timeframe) {
            true => Ok(timeframe),
            false => Err(format!("timeframe {timeframe} is not among job.timeframes")),
        }
    });
    let timeframes = timeframes.collect::<Result<_, String>>()?;
    let settle = match raw.settle.as_deref() {
        None | Some("final") => Settle::OnFinal,
        Some("at_once") => Settle::AtOnce,
        Some(other) => return Err(format!("settle = `{other}` is neither `final` nor `at_once`")),
    };
    let conditions = [
        raw.cross.map(|cross| self::cross(&cross, find_value)),
        raw.threshold.map(|threshold| self::threshold(&threshold, find_value)),
        raw.breakout.map(|breakout| self::breakout(&breakout)),
        raw.pattern.map(|name| Pattern::named(&name).map(Condition::Candlestick)),
    ];
    let mut conditions = conditions.into_iter().flatten();
    let (Some(condition), None) = (conditions.next(), conditions.next()) else {
        return Err(
            "a rule has exactly one of `cross`, `threshold`, `breakout`, `pattern`".to_owned()
        );
    };
    Ok(Rule {
        id,
        name: raw.name,
        instruments: raw.instruments.iter().map(|name| InstrumentId::of(name)).collect(),
        timeframes,
        settle,
        condition: condition?,
    })
}

fn cross(raw: &RawCross, find_value: FindValue<'_>) -> Result<Condition, String> {
    let (left, right) = (series(&raw.left, find_value)?, series(&raw.right, find_value)?);
    Ok(Condition::Cross { left, right, direction: direction(&raw.direction)? })
}

fn threshold(raw: &RawThreshold, find_value: FindValue<'_>) -> Result<Condition, String> {
    let (level, direction) = match (raw.above, raw.below) {
        (Some(level), None) => (level, Direction::Above),
        (None, Some(level)) => (level, Direction::Below),
        _ => return Err("a threshold has exactly one of `above` and `below`".to_owned()),
    };
    if !level.is_finite() {
        return Err(format!("the level {level} is not a finite number"));
    }
    Ok(Condition::Threshold { series: series(&raw.series, find_value)?, level, direction })
}

fn breakout(raw: &RawBreakout) -> Result<Condition, String> {
    if !(1..=1_000).contains(&raw.bars) {
        return Err(format!("breakout.bars = {} is not between 1 and 1000", raw.bars));
    }
    Ok(Condition::Breakout { bars: raw.bars, direction: direction(&raw.direction)? })
}

fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "above" => Ok(Direction::Above),
        "below" => Ok(Direction::Below),
        other => Err(format!("direction = `{other}` is neither `above` nor `below`")),
    }
}

/// A part of the bar, a number, or a value that is computed.
fn series(text: &str, find_value: FindValue<'_>) -> Result<Series, String> {
    Ok(match text {
        "open" => Series::Open,
        "high" => Series::High,
        "low" => Series::Low,
        "close" => Series::Close,
        "volume" => Series::Volume,
        other => match other.parse::<f64>() {
            Ok(number) if number.is_finite() => Series::Number(number),
            _ => Series::Value(find_value(other).map_err(|error| {
                format!(
                    "`{other}` is none of open, high, low, close, volume, not a number, and {error}"
                )
            })?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Rule, String> {
        let raw: RawRule = toml::from_str(text).map_err(|error| error.to_string())?;
        rule(raw, RuleId(0), &[Timeframe::MINUTE], &mut |name| match name {
            "sma20" => Ok(SeriesId(3)),
            other => Err(format!("unknown series `{other}`")),
        })
    }

    #[test]
    fn one_of_each() {
        let cross =
            parsed("name = 'a'\ncross = { left = 'close', right = 'sma20', direction = 'above' }");
        assert!(matches!(
            cross.unwrap().condition,
            Condition::Cross { left: Series::Close, right: Series::Value(SeriesId(3)), .. }
        ));
        let level =
            parsed("name = 'a'\nsettle = 'at_once'\nthreshold = { series = 'close', below = 5.5 }");
        assert!(matches!(level.unwrap().condition, Condition::Threshold { level: 5.5, .. }));
        assert!(parsed("name = 'a'\nbreakout = { bars = 20, direction = 'below' }").is_ok());
        assert!(parsed("name = 'a'\ntimeframes = ['1m']\npattern = 'doji'").is_ok());
    }

    #[test]
    fn what_is_wrong_and_what_is_possible() {
        for (text, want) in [
            ("pattern = 'doji'", "needs a `name`"),
            ("name = 'a'", "exactly one of"),
            (
                "name = 'a'\npattern = 'doji'\nbreakout = { bars = 2, direction = 'above' }",
                "exactly one of",
            ),
            ("name = 'a'\npattern = 'dojo'", "known: bearish_engulfing"),
            ("name = 'a'\ntimeframes = ['5m']\npattern = 'doji'", "not among job.timeframes"),
            ("name = 'a'\nsettle = 'later'\npattern = 'doji'", "neither `final` nor `at_once`"),
            ("name = 'a'\nbreakout = { bars = 0, direction = 'above' }", "not between 1 and 1000"),
            (
                "name = 'a'\nbreakout = { bars = 2, direction = 'up' }",
                "neither `above` nor `below`",
            ),
            ("name = 'a'\nthreshold = { series = 'close' }", "exactly one of `above` and `below`"),
            ("name = 'a'\nthreshold = { series = 'sma9', above = 1.0 }", "unknown series `sma9`"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
