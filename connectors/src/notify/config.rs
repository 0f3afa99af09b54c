//! What is configured of every sink that notifies.

use std::time::Duration;

use market::Span;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::registry::SinkBuildContext;
use crate::sink::SinkError;
use crate::typed_config::typed;

/// The keys of all sinks that notify, besides those of all sinks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// Whether other changes of a row are told as well, such as that the bar of an alert became final. Default: false.
    updates: Option<bool>,
    /// A time span, or `forever`: an alert is not told if its bar had ended longer ago, by the system time of the commit. So neither a
    /// restart nor a new rule over old bars floods anybody. Default: 1h.
    max_age: Option<String>,
    /// At most so many messages a minute and view, 1 to 6000; one more tells how many were held back. Default: 60.
    per_minute: Option<u32>,
    /// A time span, 1s to 7d: a message that could not be sent for so long becomes a dead letter, and the next one is sent.
    /// Default: 1h.
    give_up_after: Option<String>,
}

const KEYS: [&str; 4] = ["updates", "max_age", "per_minute", "give_up_after"];

/// The same, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotifySettings {
    pub(super) updates: bool,
    pub(super) max_age: Span,
    pub(super) per_minute: u32,
    pub(super) give_up_after: Duration,
}

const DAY_SECS: i64 = 86_400;

impl NotifySettings {
    /// Takes the keys of [`NotifyConfig`] out of what is written.
    pub(super) fn split(written: &mut Map<String, Value>) -> Result<NotifySettings, String> {
        let NotifyConfig { updates, max_age, per_minute, give_up_after } = part(written, &KEYS)?;
        let hour = || "1h".to_owned();
        let max_age = max_age.unwrap_or_else(hour);
        let max_age: Span = max_age.parse().map_err(|problem| format!("`max_age`: {problem}"))?;
        let per_minute = per_minute.unwrap_or(60);
        if !(1..=6_000).contains(&per_minute) {
            return Err(format!("`per_minute`: {per_minute} is not between 1 and 6000"));
        }
        let give_up_after = give_up_after.unwrap_or_else(hour);
        let bounds = (Span::secs(1), Span::secs(7 * DAY_SECS));
        let give_up_after = duration("give_up_after", &give_up_after, bounds)?;
        Ok(NotifySettings { updates: updates.unwrap_or(false), max_age, per_minute, give_up_after })
    }
}

/// Takes `keys` out of what is written, as the type that reads them.
pub(super) fn part<T: serde::de::DeserializeOwned>(
    written: &mut Map<String, Value>,
    keys: &[&str],
) -> Result<T, String> {
    typed(Value::Object(keys.iter().filter_map(|key| written.remove_entry(*key)).collect()))
}

/// The time span of a key, between two others.
pub(super) fn duration(
    key: &str,
    text: &str,
    (least, most): (Span, Span),
) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|problem| format!("`{key}`: {problem}"))?;
    match u64::try_from(span.as_nanos()) {
        Ok(nanos) if span >= least && span <= most => Ok(Duration::from_nanos(nanos)),
        _ => Err(format!("`{key}`: {span} is not between {least} and {most}")),
    }
}

/// The error of a configuration.
pub(super) fn wrong(context: &SinkBuildContext) -> impl Fn(String) -> SinkError + use<> {
    let name = context.name.clone();
    move |problem| SinkError::Config { name: name.clone(), problem }
}
