//! `kind = "alertmanager"`: alerts for Prometheus' Alertmanager, which groups, routes and silences them.
//!
//! Alertmanager resolves what is not sent to it again (its client documentation asks for every half minute to three minutes).
//! So an alert *stands* after it was raised, and is sent every `resend` until it is withdrawn, which ends it at once, or
//! until `stands_for` is over. Each time it carries an `endsAt` four times `resend` ahead, as Prometheus does, so that it
//! also ends if nobody sends it any more. Labels identify an alert, so nothing comes twice.

mod config;
mod request;
mod standing;

use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use market::{Commit, EventTime, Rejection, RejectionReason, Span};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};

use self::config::{AlertmanagerSettings, checked};
use self::request::body;
use self::standing::{StandingAlert, StandingAlerts};
use super::ALERTS;
use super::channel::SendError;
use super::config::wrong;
use super::http_client::HttpClient;
use super::http_target::HttpTarget;
use super::outbox::{failed, lock};
use crate::registry::{SinkBuildContext, TypedSink};
use crate::sink::{
    BatchKind, EarlierStarts, RejectedRecord, Sink, SinkBatch, SinkError, SinkOutcomes, SinkWriter,
};

pub use config::AlertmanagerConfig;

/// Keeps an Alertmanager informed of standing alerts.
pub struct AlertmanagerSink {
    target: HttpTarget,
    settings: Arc<AlertmanagerSettings>,
    /// It outlives writers, which are dropped after every error.
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    standing: StandingAlerts,
    earlier: EarlierStarts,
    /// The part of a batch that is in `standing`.
    taken: Option<(BatchKind, Commit, usize)>,
    outcomes: SinkOutcomes,
}

/// Sends what is due.
struct AlertmanagerWriter {
    client: HttpClient,
    shown: String,
    settings: Arc<AlertmanagerSettings>,
    shared: Arc<Mutex<Shared>>,
}

/// So many alerts go with one request.
const ALERTS_PER_REQUEST: usize = 64;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl TypedSink for AlertmanagerSink {
    const KIND: &'static str = "alertmanager";
    type Config = Map<String, Value>;

    fn build(
        written: Self::Config,
        context: SinkBuildContext,
    ) -> Result<AlertmanagerSink, SinkError> {
        build(written, &context).map_err(wrong(&context))
    }
}

fn build(
    mut written: Map<String, Value>,
    context: &SinkBuildContext,
) -> Result<AlertmanagerSink, String> {
    if context.views != [ALERTS] {
        return Err(format!("Alertmanager takes alerts: write `views = [\"{ALERTS}\"]`"));
    }
    let target = HttpTarget::split(&mut written, &context.folder, false)?;
    let settings = Arc::new(checked(written)?);
    Ok(AlertmanagerSink { target, settings, shared: Arc::default() })
}

impl Sink for AlertmanagerSink {
    fn open(&self, _view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let shown = self.target.shown.clone();
        let client = HttpClient::new(&self.target);
        let client = client.map_err(|why| failed(&shown, SendError::later(why)))?;
        let client = client.under("api/v2/alerts");
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        Ok(Box::new(AlertmanagerWriter { client, shown, settings, shared }))
    }

    fn needs_before(&self) -> bool {
        true
    }

    fn goes_on(&self, earlier: &EarlierStarts) {
        lock(&self.shared).earlier = earlier.clone();
    }
}

impl Shared {
    /// Takes the changes of a part, once for all tries.
    fn take(&mut self, batch: &SinkBatch<'_>, settings: &AlertmanagerSettings, now: Instant) {
        let id = (batch.kind, batch.commit, batch.part);
        if self.taken == Some(id) {
            return;
        }
        let taken = self.standing.take(batch, settings, &self.earlier, now);
        self.outcomes.skipped += taken.skipped;
        self.outcomes.held_back += taken.held_back;
        self.taken = Some(id);
    }

    /// Alerts were sent, or will never be.
    fn settle(&mut self, keys: &[String], resend_at: Instant) {
        keys.iter().for_each(|key| self.standing.sent(key, resend_at));
    }

    fn reject(&mut self, alert: &StandingAlert, body: String, why: &str) {
        let reason = RejectionReason::Undelivered;
        let mut rejection = Rejection::new(reason, why, alert.headline().as_bytes());
        rejection.original = Some(body.into_boxed_str());
        self.outcomes.rejected.push(RejectedRecord { commit: alert.commit, rejection });
        self.standing.remove(&alert.key);
    }
}

impl AlertmanagerWriter {
    /// Sends everything that is due, some alerts at a time.
    fn send_due(&mut self) -> Result<(), SinkError> {
        loop {
            let (now, time) = (Instant::now(), system_time());
            let due = lock(&self.shared).standing.due(now, time, ALERTS_PER_REQUEST);
            if due.is_empty() {
                return Ok(());
            }
            match self.post(&due, time) {
                Ok(()) => self.sent(&due, now),
                // One of them is at fault, and the others are not.
                Err(SendError::Never(_)) if due.len() > 1 => {
                    for alert in &due {
                        self.send_alone(alert, (now, time))?;
                    }
                }
                Err(error) => self.judge(&due, (now, time), error)?,
            }
        }
    }

    fn send_alone(
        &mut self,
        alert: &StandingAlert,
        (now, time): (Instant, EventTime),
    ) -> Result<(), SinkError> {
        let alone = std::slice::from_ref(alert);
        match self.post(alone, time) {
            Ok(()) => {
                self.sent(alone, now);
                Ok(())
            }
            Err(error) => self.judge(alone, (now, time), error),
        }
    }

    /// What was refused, or not taken for too long, is given up.
    fn judge(
        &self,
        alerts: &[StandingAlert],
        (now, time): (Instant, EventTime),
        error: SendError,
    ) -> Result<(), SinkError> {
        let give_up_after = self.settings.give_up_after;
        let mut shared = lock(&self.shared);
        let mut is_one_left = false;
        for alert in alerts {
            let why = match &error {
                SendError::Never(why) => why.clone(),
                SendError::Later { cause, .. }
                    if now.duration_since(alert.due) >= give_up_after =>
                {
                    format!("given up after {give_up_after:?}: {cause}")
                }
                SendError::Later { .. } => {
                    is_one_left = true;
                    continue;
                }
            };
            shared.reject(alert, body(&self.settings, std::slice::from_ref(alert), time), &why);
        }
        match is_one_left {
            true => Err(failed(&self.shown, error)),
            false => Ok(()),
        }
    }

    fn post(&self, alerts: &[StandingAlert], time: EventTime) -> Result<(), SendError> {
        self.client.post(body(&self.settings, alerts, time), &JSON, &[])
    }

    fn sent(&self, alerts: &[StandingAlert], now: Instant) {
        let mut shared = lock(&self.shared);
        shared.outcomes.messages += 1;
        let keys: Vec<String> = alerts.iter().map(|alert| alert.key.clone()).collect();
        shared.settle(&keys, now + self.settings.resend);
    }
}

impl SinkWriter for AlertmanagerWriter {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError> {
        lock(&self.shared).take(batch, &self.settings, Instant::now());
        self.send_due()?;
        lock(&self.shared).taken = None;
        Ok(())
    }

    fn check(&mut self, _run: &str, _commit: Commit) -> Result<(), SinkError> {
        self.send_due()
    }

    fn take_outcomes(&mut self) -> SinkOutcomes {
        std::mem::take(&mut lock(&self.shared).outcomes)
    }
}

/// The system's time: an alert that stands ends some minutes after it was sent last, whatever commits there are.
fn system_time() -> EventTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EventTime(0).after(Span::nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}
