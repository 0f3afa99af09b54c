//! What it takes to be an indicator, and what can be wrong with the parameters of one.

use std::fmt;

use market::{Bar, Calendars, EventTime};

use super::column::{Column, Rows};
use super::step::Step;

/// One kind of indicator. Each is a file of its own and a line in [`super::INDICATORS`].
pub trait IndicatorSpec: Sync {
    /// Its name as written in labels: lower-case letters.
    fn name(&self) -> &'static str;

    /// Formula, unit, first value and source, for users.
    fn doc(&self) -> &'static str;

    /// Its parameters, in the order in which labels have them.
    fn parameters(&self) -> &'static [Parameter];

    /// Its outputs, in the order of [`super::IndicatorKey::output`]; one to three.
    fn outputs(&self) -> &'static [&'static str];

    /// The indicator with these parameters; an error if they do not go together.
    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError>;

    /// What the outputs are at each of `bars` (by the time at which they open, in order), by the
    /// definition: from scratch, slowly, in plain floating point. The tests' oracle.
    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>>;
}

/// A parameter of an indicator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is when it is not given.
    pub default: f64,
    /// The least that it may be.
    pub least: f64,
    /// The most that it may be.
    pub most: f64,
    /// Whether it must be a whole number.
    pub whole: bool,
}

/// Values for all parameters of an indicator, each within its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(Vec<f64>);

/// An indicator with its parameters: makes the columns that compute it.
pub trait Recipe: Send + Sync {
    /// A column without bars.
    fn column(&self) -> Box<dyn Column>;
}

/// Why a list of indicators cannot be configured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IndicatorError {
    /// No indicator has the name.
    #[error("`{text}` is not an indicator{}; there are {known}", did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// What was written.
        text: String,
        /// What may be meant: the indicator, or the name that is most like it.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// More parameters than there are.
    #[error("`{text}` has {given} parameters; {usage}")]
    TooMany {
        /// What was written.
        text: String,
        /// How many.
        given: usize,
        /// How to write it.
        usage: String,
    },
    /// A parameter is not a number.
    #[error("`{value}` in `{text}` is not a number; {usage}")]
    NotANumber {
        /// What was written.
        text: String,
        /// The part that is wrong.
        value: String,
        /// How to write it.
        usage: String,
    },
    /// A parameter is out of bounds.
    #[error("{parameter} of {indicator} is {value}; it must be {bounds}")]
    OutOfBounds {
        /// The indicator.
        indicator: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        bounds: String,
    },
    /// Two indicators of a list are the same.
    #[error("`{label}` is listed twice")]
    Twice {
        /// Their label.
        label: String,
    },
    /// A list is too long.
    #[error("{given} indicators are listed; a job has at most {limit}")]
    TooLong {
        /// How many.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// The longest period: windows are walked bar by bar.
pub(super) const PERIOD_MAX: u32 = 10_000;

impl Parameter {
    /// A number of bars of at least `least`.
    pub(super) const fn bars(name: &'static str, default: u32, least: u32) -> Parameter {
        Parameter {
            name,
            default: default as f64,
            least: least as f64,
            most: PERIOD_MAX as f64,
            whole: true,
        }
    }

    /// A factor from 0 to 100.
    pub(super) const fn factor(name: &'static str, default: f64) -> Parameter {
        Parameter { name, default, least: 0.0, most: 100.0, whole: false }
    }

    fn allows(&self, value: f64) -> bool {
        (self.least..=self.most).contains(&value) && !(self.whole && value.fract() != 0.0)
    }
}

/// Its bounds: `a whole number from 2 to 10000`.
impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.whole { "whole number" } else { "number" };
        write!(f, "a {kind} from {} to {}", self.least, self.most)
    }
}

impl Params {
    /// `given`, and defaults for the parameters after them; at most as many as there are.
    pub(super) fn checked(
        spec: &dyn IndicatorSpec,
        given: &[f64],
    ) -> Result<Params, IndicatorError> {
        let all = spec.parameters().iter().enumerate().map(|(index, parameter)| {
            // A zero has no sign here, so that equal parameters have equal labels.
            let value = given.get(index).map_or(parameter.default, |value| value + 0.0);
            if parameter.allows(value) {
                return Ok(value);
            }
            Err(IndicatorError::OutOfBounds {
                indicator: spec.name(),
                parameter: parameter.name,
                value,
                bounds: parameter.to_string(),
            })
        });
        all.collect::<Result<_, _>>().map(Params)
    }

    /// The values.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// A parameter that is a whole number.
    pub fn bars(&self, index: usize) -> usize {
        self.number(index) as usize
    }

    /// A parameter.
    pub fn number(&self, index: usize) -> f64 {
        self.0[index]
    }
}

impl<T: Step> Recipe for T {
    fn column(&self) -> Box<dyn Column> {
        Box::new(Rows::new(self.clone()))
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}
