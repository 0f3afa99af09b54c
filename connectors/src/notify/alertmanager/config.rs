//! What is configured of a sink of alerts for Alertmanager.

use std::collections::BTreeMap;
use std::time::Duration;

use market::Span;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::notify::config::duration;
use crate::typed_config::typed;

/// The keys of a sink of alerts for Alertmanager, besides those of all sinks and of [HTTP targets](#http-targets). `url` is
/// where Alertmanager is, such as `http://127.0.0.1:9093`; requests go to `/api/v2/alerts` there. Its view is `alerts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Labels of all alerts, besides `alertname`, `instrument`, `timeframe` and `open_time`; at most 32. Default: `job =
    /// "tickweave"`.
    labels: Option<BTreeMap<String, String>>,
    /// Where people find more, such as the address of the page: `generatorURL`. Default: none.
    generator_url: Option<String>,
    /// A time span, 5s to 1h: so often an alert that stands is sent again. Default: 1m.
    resend: Option<String>,
    /// A time span, 1m to 30d: for so long an alert stands after it was raised, unless it is withdrawn before. At most
    /// 10000 alerts stand. Default: 1h.
    stands_for: Option<String>,
    /// A time span, or `forever`: an alert is not sent if its bar had ended longer ago, by the system time of the commit.
    /// Default: 1h.
    max_age: Option<String>,
    /// A time span, 1s to 7d: what could not be sent for so long becomes a dead letter. Default: 1h.
    give_up_after: Option<String>,
}

/// The same, checked.
#[derive(Debug)]
pub(super) struct AlertmanagerSettings {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) generator_url: Option<String>,
    pub(super) resend: Duration,
    pub(super) stands_for: Span,
    pub(super) max_age: Span,
    pub(super) give_up_after: Duration,
}

/// Labels that an alert has by itself.
pub(super) const OWN_LABELS: [&str; 4] = ["alertname", "instrument", "timeframe", "open_time"];
const LABELS_MAX: usize = 32;
const DAY_SECS: i64 = 86_400;

/// Checks what is written.
pub(super) fn checked(written: Map<String, Value>) -> Result<AlertmanagerSettings, String> {
    let config: AlertmanagerConfig = typed(Value::Object(written))?;
    let labels = config
        .labels
        .unwrap_or_else(|| BTreeMap::from([("job".to_owned(), "tickweave".to_owned())]));
    if labels.len() > LABELS_MAX {
        return Err(format!("`labels` has {} labels, {LABELS_MAX} at most", labels.len()));
    }
    for (name, text) in &labels {
        if !is_label(name) || OWN_LABELS.contains(&name.as_str()) {
            return Err(format!(
                "`labels`: `{name}` cannot be one: a name has letters, digits and _, begins with no digit, and is not one \
                 of {}",
                OWN_LABELS.join(", ")
            ));
        }
        if text.is_empty() {
            return Err(format!("`labels`: `{name}` is empty, which means that it is not there"));
        }
    }
    let generator_url = config.generator_url;
    if let Some(url) = &generator_url
        && reqwest::Url::parse(url).is_err()
    {
        return Err(format!("`generator_url`: `{url}` is no URL"));
    }
    let span = |key: &str, text: &Option<String>, default: &str, bounds: (i64, i64)| {
        let bounds = (Span::secs(bounds.0), Span::secs(bounds.1));
        duration(key, text.as_deref().unwrap_or(default), bounds)
    };
    let stands_for = span("stands_for", &config.stands_for, "1h", (60, 30 * DAY_SECS))?;
    let max_age = config.max_age.as_deref().unwrap_or("1h");
    Ok(AlertmanagerSettings {
        labels,
        generator_url,
        resend: span("resend", &config.resend, "1m", (5, 3_600))?,
        stands_for: Span::nanos(i64::try_from(stands_for.as_nanos()).unwrap_or(i64::MAX)),
        max_age: max_age.parse().map_err(|problem| format!("`max_age`: {problem}"))?,
        give_up_after: span("give_up_after", &config.give_up_after, "1h", (1, 7 * DAY_SECS))?,
    })
}

fn is_label(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
