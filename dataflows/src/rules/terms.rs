//! What a rule may refer to in a job, and the check that makes a [`Rule`] of what is written.

use std::sync::Arc;

use market::{Commit, InstrumentId, RuleId, Timeframe};
use operators::indicators::{Indicator, IndicatorsConfig};
use operators::signals::{Condition, Direction, Pattern, Rule, Series, Settle};

use super::raw::{RawBreakout, RawCross, RawRule, RawThreshold};

/// What rules of a job may refer to.
#[derive(Clone, Debug)]
pub struct RuleTerms {
    /// The timeframes of the job.
    pub timeframes: Vec<Timeframe>,
    /// Its indicators.
    pub indicators: Arc<IndicatorsConfig>,
}

impl RuleTerms {
    /// The rule with this number, which has counted `since` a commit.
    ///
    /// # Errors
    /// In words, with what is possible.
    pub fn rule(&self, raw: RawRule, id: RuleId, since: Commit) -> Result<Rule, String> {
        if raw.name.is_empty() {
            return Err("a rule needs a `name`".to_owned());
        }
        let timeframes = raw.timeframes.iter().map(|text| self.timeframe(text));
        let timeframes = timeframes.collect::<Result<_, String>>()?;
        let settle = match raw.settle.as_deref() {
            None | Some("final") => Settle::OnFinal,
            Some("at_once") => Settle::AtOnce,
            Some(other) => {
                return Err(format!("settle = `{other}` is neither `final` nor `at_once`"));
            }
        };
        let conditions = [
            raw.cross.map(|cross| self.cross(&cross)),
            raw.threshold.map(|threshold| self.threshold(&threshold)),
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
            since,
            instruments: raw.instruments.iter().map(|name| InstrumentId::of(name)).collect(),
            timeframes,
            settle,
            condition: condition?,
        })
    }

    fn timeframe(&self, text: &str) -> Result<Timeframe, String> {
        let timeframe: Timeframe = text.parse()?;
        match self.timeframes.contains(&timeframe) {
            true => Ok(timeframe),
            false => {
                let known: Vec<_> = self.timeframes.iter().map(ToString::to_string).collect();
                let known = known.join(", ");
                Err(format!("timeframe {timeframe} is not among job.timeframes ({known})"))
            }
        }
    }

    fn cross(&self, raw: &RawCross) -> Result<Condition, String> {
        let (left, right) = (self.series(&raw.left)?, self.series(&raw.right)?);
        Ok(Condition::Cross { left, right, direction: direction(&raw.direction)? })
    }

    fn threshold(&self, raw: &RawThreshold) -> Result<Condition, String> {
        let (level, direction) = match (raw.above, raw.below) {
            (Some(level), None) => (level, Direction::Above),
            (None, Some(level)) => (level, Direction::Below),
            _ => return Err("a threshold has exactly one of `above` and `below`".to_owned()),
        };
        if !level.is_finite() {
            return Err(format!("the level {level} is not a finite number"));
        }
        Ok(Condition::Threshold { series: self.series(&raw.series)?, level, direction })
    }

    /// A part of the bar, a number, or a value that is computed.
    fn series(&self, text: &str) -> Result<Series, String> {
        Ok(match text {
            "open" => Series::Open,
            "high" => Series::High,
            "low" => Series::Low,
            "close" => Series::Close,
            "volume" => Series::Volume,
            other => match other.parse::<f64>() {
                Ok(number) if number.is_finite() => Series::Number(number),
                _ => Series::Slot(self.slot(other).map_err(|error| {
                    format!(
                        "`{other}` is none of open, high, low, close, volume, not a number, and {error}"
                    )
                })?),
            },
        })
    }

    fn slot(&self, text: &str) -> Result<usize, String> {
        let (indicator, output) = find_number(text, &self.indicators)?;
        let slot = self.indicators.slot(indicator, output);
        slot.ok_or_else(|| format!("`{text}` has no place among the numbers of a bar"))
    }
}

/// The number that `sma20` or `macd12_26_9.signal` names; without an output, the first.
pub fn find_number(text: &str, indicators: &IndicatorsConfig) -> Result<(u16, u8), String> {
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

#[cfg(test)]
mod tests {
    use market::Calendars;

    use super::*;

    fn parsed(text: &str) -> Result<Rule, String> {
        let raw: RawRule = toml::from_str(text).map_err(|error| error.to_string())?;
        let indicators = IndicatorsConfig::parse(Calendars::utc(), ["rsi", "sma20"]).unwrap();
        let terms =
            RuleTerms { timeframes: vec![Timeframe::MINUTE], indicators: Arc::new(indicators) };
        terms.rule(raw, RuleId(0), Commit(0))
    }

    #[test]
    fn one_of_each() {
        let cross =
            parsed("name = 'a'\ncross = { left = 'close', right = 'sma20', direction = 'above' }");
        assert!(matches!(
            cross.unwrap().condition,
            Condition::Cross { left: Series::Close, right: Series::Slot(1), .. }
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
            ("name = 'a'\ntimeframes = ['5m']\npattern = 'doji'", "among job.timeframes (1m)"),
            ("name = 'a'\nsettle = 'later'\npattern = 'doji'", "neither `final` nor `at_once`"),
            ("name = 'a'\nbreakout = { bars = 0, direction = 'above' }", "not between 1 and 1000"),
            (
                "name = 'a'\nbreakout = { bars = 2, direction = 'up' }",
                "neither `above` nor `below`",
            ),
            ("name = 'a'\nthreshold = { series = 'close' }", "exactly one of `above` and `below`"),
            (
                "name = 'a'\nthreshold = { series = 'sma9', above = 1.0 }",
                "`sma9` is not among job.indicators (rsi14, sma20)",
            ),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
