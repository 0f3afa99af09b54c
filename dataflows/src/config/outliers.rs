//! `[outliers]`: which prices are reported as far away from recent ones.

use operators::OutlierRule;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::values::in_range;

/// `[outliers]`; `docs/semantics.md` says what the numbers do. An outlier changes no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawOutliers {
    /// A price is held to the closes of so many base bars, and of half as many at least: up to 1,000; 0 reports
    /// no outliers.
    pub bars: usize,
    /// Farther from their median than so many times their median deviation is too far: 1 to 1,000.
    pub deviations: usize,
    /// The deviation counts as no less than so many hundredths of a percent of the median: 0 to 10,000.
    pub floor_bps: usize,
}

impl RawOutliers {
    pub(super) fn check(self) -> Result<OutlierRule, ConfigError> {
        let small = |place: &str, number: usize, least: usize, most: usize| {
            let number = in_range(place, number, least, most)?;
            u32::try_from(number).map_err(|error| ConfigError::at(place)(error.to_string()))
        };
        Ok(OutlierRule {
            bars: in_range("outliers.bars", self.bars, 0, 1_000)?,
            deviations: small("outliers.deviations", self.deviations, 1, 1_000)?,
            floor_bps: small("outliers.floor_bps", self.floor_bps, 0, 10_000)?,
        })
    }
}

impl Default for RawOutliers {
    fn default() -> RawOutliers {
        RawOutliers { bars: 30, deviations: 10, floor_bps: 50 }
    }
}
