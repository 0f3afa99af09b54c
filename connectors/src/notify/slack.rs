//! `kind = "slack"`: messages to an incoming webhook of Slack, or of what takes the same requests.
//!
//! A message has a `text`, which notifications show, and a block of the same text in Slack's `mrkdwn`. In it `&`, `<` and
//! `>` of values are escaped, so no name of an instrument or rule mentions anybody. The URL is a secret.

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::channel::{Channel, SendError};
use super::config::{NotifySettings, wrong};
use super::http_client::HttpClient;
use super::http_target::HttpTarget;
use super::notice::Notice;
use super::outbox::{Outboxes, failed};
use super::template::{Escaping, Template, slack_escaped};
use crate::registry::{SinkBuildContext, TypedSink};
use crate::sink::{EarlierStarts, Sink, SinkError, SinkWriter};
use crate::typed_config::typed;

/// The keys of a webhook of Slack, besides those of all sinks, of [Notifications](#notifications) and of
/// [HTTP targets](#http-targets). The URL is a secret, so `url` is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The text of a message in Slack's `mrkdwn`, as a template; `&`, `<` and `>` of values are escaped. Default: what
    /// happened, and price, value and time of the alert.
    template: Option<String>,
}

/// Posts texts.
pub struct SlackSink {
    target: HttpTarget,
    template: Option<Template>,
    outboxes: Outboxes,
}

/// One connection.
struct SlackChannel {
    client: HttpClient,
    template: Option<Template>,
}

/// The most characters of a block's text that Slack takes.
const BLOCK_CHARS_MAX: usize = 3_000;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl TypedSink for SlackSink {
    const KIND: &'static str = "slack";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: SinkBuildContext) -> Result<SlackSink, SinkError> {
        build(written, &context).map_err(wrong(&context))
    }
}

fn build(mut written: Map<String, Value>, context: &SinkBuildContext) -> Result<SlackSink, String> {
    let settings = NotifySettings::split(&mut written)?;
    let target = HttpTarget::split(&mut written, &context.folder, true)?;
    let SlackConfig { template } = typed(Value::Object(written))?;
    let compile =
        |text: String| Template::compile("template", &text, Escaping::Slack, &context.columns);
    let template = template.map(compile).transpose()?;
    Ok(SlackSink { target, template, outboxes: Outboxes::new(settings) })
}

impl Sink for SlackSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let shown = &self.target.shown;
        let client = HttpClient::new(&self.target);
        let client = client.map_err(|why| failed(shown, SendError::later(why)))?;
        let channel = SlackChannel { client, template: self.template.clone() };
        Ok(Box::new(self.outboxes.writer(view, channel, shown)))
    }

    fn needs_before(&self) -> bool {
        true
    }

    fn goes_on(&self, earlier: &EarlierStarts) {
        self.outboxes.goes_on(earlier);
    }
}

impl Channel for SlackChannel {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        let text = match self.template.as_ref().filter(|_| !notice.is_summary()) {
            Some(template) => template
                .render(notice)
                .map_err(|error| SendError::Never(format!("the template fails: {error}")))?,
            None => default_text(notice),
        };
        self.client.post(message(&text), &JSON, &[])
    }
}

/// What happened in bold, then a line per fact.
fn default_text(notice: &Notice) -> String {
    let (headline, details) = (slack_escaped(&notice.headline()), slack_escaped(&notice.details()));
    match details.is_empty() {
        true => format!("*{headline}*"),
        false => format!("*{headline}*\n{details}"),
    }
}

/// A text as the body of a request.
fn message(text: &str) -> String {
    let block: String = match text.chars().count() > BLOCK_CHARS_MAX {
        true => text.chars().take(BLOCK_CHARS_MAX - 1).chain(['…']).collect(),
        false => text.to_owned(),
    };
    let block = json!({"type": "section", "text": {"type": "mrkdwn", "text": block}});
    json!({"text": text, "blocks": [block]}).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::ALERTS;
    use super::super::template::samples;
    use super::*;

    #[test]
    fn names_mention_nobody_and_blocks_have_a_bound() {
        let columns = ["rule", "instrument", "timeframe", "open_time", "price"].map(str::to_owned);
        let [mut notice, _] = samples(&columns);
        assert_eq!(notice.view, ALERTS);
        notice.row = notice.row.with("rule", "<!channel> & *co*");
        let text = default_text(&notice);
        assert_eq!(text, "*raised: &lt;!channel&gt; &amp; *co* on 1 1, bar 1*\nclose 1");
        let long: Value = serde_json::from_str(&message(&"ä".repeat(5_000))).unwrap();
        let block = long["blocks"][0]["text"]["text"].as_str().unwrap();
        assert_eq!(
            (block.chars().count(), long["text"].as_str().unwrap().chars().count()),
            (3_000, 5_000)
        );
    }
}
