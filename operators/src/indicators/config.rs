//! Which indicators a job computes.

use market::Calendars;

use super::label::Indicator;
use super::spec::IndicatorError;

/// Which indicators a job has, on every instrument and timeframe.
#[derive(Clone, Debug)]
pub struct IndicatorsConfig {
    calendars: Calendars,
    indicators: Vec<Indicator>,
}

impl IndicatorsConfig {
    /// How many indicators a job may have.
    pub const MAX: usize = 1_024;

    /// These indicators, in this order, each once.
    pub fn new(
        calendars: Calendars,
        indicators: Vec<Indicator>,
    ) -> Result<IndicatorsConfig, IndicatorError> {
        let (given, limit) = (indicators.len(), IndicatorsConfig::MAX);
        if given > limit {
            return Err(IndicatorError::TooLong { given, limit });
        }
        let labels: Vec<_> = indicators.iter().map(Indicator::label).collect();
        for (index, label) in labels.iter().enumerate() {
            if labels[..index].contains(label) {
                return Err(IndicatorError::Twice { label: label.clone() });
            }
        }
        Ok(IndicatorsConfig { calendars, indicators })
    }

    /// The indicators that `texts` name.
    ///
    /// ```
    /// use market::Calendars;
    /// use operators::indicators::IndicatorsConfig;
    /// let config = IndicatorsConfig::parse(Calendars::utc(), ["sma20", "rsi"]).unwrap();
    /// assert_eq!(format!("{:?}", config.indicators()), "[sma20, rsi14]");
    /// assert!(IndicatorsConfig::parse(Calendars::utc(), ["rsi", "rsi14"]).is_err());
    /// ```
    pub fn parse<'a>(
        calendars: Calendars,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<IndicatorsConfig, IndicatorError> {
        let indicators = texts.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        IndicatorsConfig::new(calendars, indicators)
    }

    /// The indicators; [`super::IndicatorKey::indicator`] is an index into them.
    pub fn indicators(&self) -> &[Indicator] {
        &self.indicators
    }

    /// The job's calendars.
    pub fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// How many numbers a bar has at most: the outputs of all indicators, in their order.
    pub fn slots(&self) -> usize {
        self.indicators.iter().map(|indicator| indicator.outputs().len()).sum()
    }

    /// In which slot of [`super::Numbers`] an output of an indicator is, if there is one.
    pub fn slot(&self, indicator: u16, output: u8) -> Option<usize> {
        let (own, before) = (usize::from(indicator), self.indicators.get(..indicator.into())?);
        let outputs = self.indicators.get(own)?.outputs().len();
        let first: usize = before.iter().map(|indicator| indicator.outputs().len()).sum();
        Some(first + usize::from(output)).filter(|_| usize::from(output) < outputs)
    }

    /// What the numbers in the slots are called in full, such as `macd12_26_9.signal`.
    pub fn slot_labels(&self) -> Vec<String> {
        let label = |indicator: &Indicator| {
            let label = indicator.label();
            indicator.outputs().iter().map(move |output| format!("{label}.{output}"))
        };
        self.indicators.iter().flat_map(label).collect()
    }

    pub(super) fn labels(&self) -> Vec<String> {
        self.indicators.iter().map(Indicator::label).collect()
    }
}
