//! The message of a notice.

use std::time::{Duration, SystemTime};

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use market::printable;

use crate::notify::notice::Notice;
use crate::notify::template::Template;

/// What all messages of a sink have, and how their texts are made.
#[derive(Clone)]
pub(super) struct MessageForm {
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    pub(super) subject: Option<Template>,
    pub(super) body: Option<Template>,
}

/// The most characters of a subject.
const SUBJECT_CHARS_MAX: usize = 200;

impl MessageForm {
    /// The message of a notice: the same each time.
    pub(super) fn message(&self, notice: &Notice) -> Result<Message, String> {
        let text = |template: &Option<Template>, default: String| match template {
            Some(template) if !notice.is_summary() => {
                template.render(notice).map_err(|error| format!("the template fails: {error}"))
            }
            _ => Ok(default),
        };
        let subject = text(&self.subject, notice.headline())?;
        // What ends a line or moves a cursor is shown as U+FFFD: a name may hold it, and a header may not.
        let subject = printable(subject.trim(), SUBJECT_CHARS_MAX);
        let body = text(&self.body, default_body(notice))?;
        let at = Duration::from_nanos(u64::try_from(notice.at.0).unwrap_or(0));
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .date(SystemTime::UNIX_EPOCH + at)
            .message_id(Some(self.message_id(&notice.id)))
            .header(ContentType::TEXT_PLAIN)
            // So that nobody's absence is answered to it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            message = message.to(to.clone());
        }
        if let Some(raise) = &notice.withdraws {
            let raise = self.message_id(raise);
            message = message.in_reply_to(raise.clone()).references(raise);
        }
        message.body(body).map_err(|error| error.to_string())
    }

    /// The id of the message of an event.
    fn message_id(&self, event: &str) -> String {
        format!("<{event}@{}>", self.from.email.domain())
    }
}

fn default_body(notice: &Notice) -> String {
    let parts = [notice.headline(), notice.details(), format!("event {}", notice.id)];
    let lines: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::template::samples;

    fn text(rule: &str) -> String {
        let columns = ["rule", "instrument", "timeframe", "open_time"].map(str::to_owned);
        let [mut notice, _] = samples(&columns);
        notice.row = notice.row.with("rule", rule);
        let form = MessageForm {
            from: "Desk <desk@example.org>".parse().unwrap(),
            to: vec!["a@example.org".parse().unwrap()],
            subject: None,
            body: None,
        };
        String::from_utf8(form.message(&notice).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_name_with_ends_of_lines_begins_no_header() {
        let message = text("high\r\nBcc: eve@example.org\r\n\r\nhello");
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        let want = [
            "From",
            "Subject",
            "Date",
            "Message-ID",
            "Content-Type",
            "Auto-Submitted",
            "To",
            "Content-Transfer-Encoding",
        ];
        assert_eq!(names, want, "{head}");
    }

    #[test]
    fn a_repetition_is_the_same_message() {
        assert_eq!(text("high"), text("high"));
        assert!(
            text("high").contains("Subject: raised: high on 1 1, bar 1\r\n"),
            "{}",
            text("high")
        );
    }
}
