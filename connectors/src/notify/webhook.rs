//! `kind = "webhook"`: a signed request for each change.

use std::path::PathBuf;
use std::time::SystemTime;

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::channel::{Channel, SendError};
use super::config::{NotifySettings, wrong};
use super::http_client::HttpClient;
use super::http_target::HttpTarget;
use super::notice::Notice;
use super::outbox::{Outboxes, failed};
use super::signature::{HEADER, signature};
use super::template::{Escaping, Template, samples};
use crate::registry::{SinkBuildContext, TypedSink};
use crate::secret::{Secret, SecretPlace};
use crate::sink::{EarlierStarts, Sink, SinkError, SinkWriter};
use crate::typed_config::typed;

/// The keys of a webhook, besides those of all sinks, of [Notifications](#notifications) and of
/// [HTTP targets](#http-targets).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The name of the environment variable that holds the secret which requests are signed with. Default: not signed.
    secret_env: Option<String>,
    /// The file that holds the secret, read anew for each connection.
    secret_file: Option<PathBuf>,
    /// The body of a request, as a template. Default: the JSON object of docs/notifications.md.
    template: Option<String>,
    /// The type of the body that the template makes; values are escaped for JSON if it is one of JSON. Default:
    /// `application/json`.
    content_type: Option<String>,
}

/// Posts changes.
pub struct WebhookSink {
    target: HttpTarget,
    secret: Option<SecretPlace>,
    template: Option<Template>,
    content_type: HeaderValue,
    outboxes: Outboxes,
}

/// One connection.
struct WebhookChannel {
    client: HttpClient,
    secret: Option<Secret>,
    template: Option<Template>,
    content_type: HeaderValue,
}

const JSON: &str = "application/json";

impl TypedSink for WebhookSink {
    const KIND: &'static str = "webhook";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: SinkBuildContext) -> Result<WebhookSink, SinkError> {
        build(written, &context).map_err(wrong(&context))
    }
}

fn build(
    mut written: Map<String, Value>,
    context: &SinkBuildContext,
) -> Result<WebhookSink, String> {
    let settings = NotifySettings::split(&mut written)?;
    let target = HttpTarget::split(&mut written, &context.folder, false)?;
    let WebhookConfig { secret_env, secret_file, template, content_type } =
        typed(Value::Object(written))?;
    let secret = match (secret_env, secret_file) {
        (None, None) => None,
        (Some(name), None) => Some(SecretPlace::Env(name)),
        (None, Some(path)) => Some(SecretPlace::File(context.folder.join(path))),
        (Some(_), Some(_)) => {
            return Err("`secret_env` and `secret_file` are both given; write one".to_owned());
        }
    };
    let content_type = match (content_type, &template) {
        (Some(_), None) => {
            return Err(
                "`content_type` is for a `template`; without one, bodies are JSON".to_owned()
            );
        }
        (written, _) => written.unwrap_or_else(|| JSON.to_owned()),
    };
    let header = HeaderValue::from_str(&content_type)
        .map_err(|_| format!("`content_type`: `{content_type}` is no text of a header"))?;
    let template = template.map(|text| compiled(&text, &content_type, &context.columns));
    let template = template.transpose()?;
    let outboxes = Outboxes::new(settings);
    Ok(WebhookSink { target, secret, template, content_type: header, outboxes })
}

/// A template; one that is to make JSON must do so.
fn compiled(text: &str, content_type: &str, columns: &[String]) -> Result<Template, String> {
    let is_json =
        content_type.split(';').next().is_some_and(|media| media.trim().ends_with("json"));
    let escaping = if is_json { Escaping::Json } else { Escaping::Plain };
    let template = Template::compile("template", text, escaping, columns)?;
    for notice in samples(columns).iter().filter(|_| is_json) {
        let made = template.render(notice).unwrap_or_default(); // compiled means rendered
        serde_json::from_str::<serde::de::IgnoredAny>(&made).map_err(|error| {
            format!(
                "`template` makes no JSON ({error}): values have their quotes already, so write {{{{ row.rule }}}} \
                 without any; or set `content_type`"
            )
        })?;
    }
    Ok(template)
}

impl Sink for WebhookSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let shown = &self.target.shown;
        let channel = self.connect().map_err(|why| failed(shown, SendError::later(why)))?;
        Ok(Box::new(self.outboxes.writer(view, channel, shown)))
    }

    fn needs_before(&self) -> bool {
        true
    }

    fn goes_on(&self, earlier: &EarlierStarts) {
        self.outboxes.goes_on(earlier);
    }
}

impl WebhookSink {
    fn connect(&self) -> Result<WebhookChannel, String> {
        let mut client = HttpClient::new(&self.target)?;
        let read = |place: &SecretPlace| place.read().map_err(|why| format!("the secret: {why}"));
        let secret = self.secret.as_ref().map(read).transpose()?;
        if let Some(secret) = &secret {
            if secret.reveal().is_empty() {
                return Err("the secret is empty".to_owned());
            }
            client.hides(secret);
        }
        let (template, content_type) = (self.template.clone(), self.content_type.clone());
        Ok(WebhookChannel { client, secret, template, content_type })
    }
}

impl Channel for WebhookChannel {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        let body = match &self.template {
            Some(template) => template
                .render(notice)
                .map_err(|error| SendError::Never(format!("the template fails: {error}")))?,
            None => notice.envelope(),
        };
        let mut headers = vec![("idempotency-key", notice.id.clone())];
        if let Some(secret) = &self.secret {
            // The time of sending, not of the commit: it says that nobody sends an old request again.
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let time = time.map_or(0, |since| since.as_secs());
            headers.push((HEADER, signature(secret.reveal().as_bytes(), time, body.as_bytes())));
        }
        self.client.post(body, &self.content_type, &headers)
    }
}
