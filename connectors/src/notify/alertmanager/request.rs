//! The requests to Alertmanager, as its API 2 defines them.

use std::collections::BTreeMap;

use market::{EventTime, Span};
use serde_json::{Value, json};

use super::config::{AlertmanagerSettings, OWN_LABELS};
use super::standing::StandingAlert;

/// The columns of the view that are labels, in the order of [`OWN_LABELS`].
const COLUMNS: [&str; 4] = ["rule", "instrument", "timeframe", "open_time"];

/// The body of a request that is sent at `time`.
pub(super) fn body(
    settings: &AlertmanagerSettings,
    alerts: &[StandingAlert],
    time: EventTime,
) -> String {
    let alerts: Vec<Value> = alerts.iter().map(|one| alert(settings, one, time)).collect();
    Value::from(alerts).to_string()
}

fn alert(settings: &AlertmanagerSettings, alert: &StandingAlert, time: EventTime) -> Value {
    let mut labels = settings.labels.clone();
    for (label, column) in OWN_LABELS.into_iter().zip(COLUMNS) {
        labels.insert(label.to_owned(), alert.row.text(column).unwrap_or_default().to_owned());
    }
    let mut annotations = BTreeMap::from([("summary", alert.headline())]);
    for column in ["price", "value"] {
        if let Some(text) = alert.row.text(column) {
            annotations.insert(column, text.to_owned());
        }
    }
    // As Prometheus does: an alert that nobody sends any more ends after four pauses.
    let resend = i64::try_from(settings.resend.as_nanos()).unwrap_or(i64::MAX);
    let ahead = time.after(Span::nanos(resend.saturating_mul(4)));
    let ends_at = alert.ended_at.unwrap_or_else(|| alert.stands_until.min(ahead));
    let mut json = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": alert.raised_at.rfc3339(),
        "endsAt": ends_at.rfc3339(),
    });
    if let Some(url) = &settings.generator_url {
        json["generatorURL"] = Value::from(url.as_str());
    }
    json
}
