//! What the kind of a job asks of its configuration.

use super::portfolios::Written;
use super::{ConfigError, RawJob};
use crate::jobs::JobKind;
use crate::rules::RawRule;

/// The indicators of a job. One that computes none has none, though the default names some.
pub(super) fn indicators<'a>(kind: &JobKind, job: &'a RawJob) -> &'a [String] {
    if kind.computes_on_bars { &job.indicators } else { &[] }
}

/// Refuses indicators, rules and portfolios if the job computes none.
pub(super) fn check(
    kind: &JobKind,
    job: &RawJob,
    rules: &[RawRule],
    accounts: &Written,
) -> Result<(), ConfigError> {
    if kind.computes_on_bars {
        return Ok(());
    }
    let names_indicators =
        !job.indicators.is_empty() && job.indicators != RawJob::default().indicators;
    let named = names_indicators.then_some(("job.indicators", "indicators"));
    let named = named.or_else(|| (!rules.is_empty()).then_some(("rule", "rules")));
    match named.or_else(|| accounts.written().map(|place| (place, "portfolios"))) {
        None => Ok(()),
        Some((place, what)) => Err(ConfigError::at(place)(format!(
            "the job `{}` shows no bars, and computes no {what}: leave this out, or set job.kind = \"candles\"",
            kind.name
        ))),
    }
}
