//! What is configured of a sink of e-mail.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use market::Span;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::MessageForm;
use crate::notify::config::duration;
use crate::notify::template::{Escaping, Template};
use crate::registry::SinkBuildContext;
use crate::secret::SecretPlace;
use crate::typed_config::typed;

/// The keys of a sink of e-mail, besides those of all sinks and of [Notifications](#notifications).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// The server's name or address.
    host: String,
    /// Its port. Default: 587, with `tls = "tls"` 465, with `tls = "none"` 25.
    port: Option<u16>,
    /// `starttls` (a plain connection becomes an encrypted one, or is not used), `tls` (encrypted from the beginning) or
    /// `none`, for a server on this machine. Default: `starttls`.
    tls: Option<String>,
    /// Whether `tls = "none"` is meant for a server elsewhere, too: then everybody on the way reads messages and password.
    /// Default: false.
    unencrypted: Option<bool>,
    /// The file of certificates (PEM) that the server is held to, besides those of the system. Default: none.
    ca_file: Option<PathBuf>,
    /// The name of the user. Default: no login.
    user: Option<String>,
    /// The name of the environment variable that holds the password.
    password_env: Option<String>,
    /// The file that holds the password, read anew for each connection.
    password_file: Option<PathBuf>,
    /// Who sends: `tickweave@example.org` or `Tickweave <tickweave@example.org>`.
    from: String,
    /// Who receives, 1 to 50 addresses of the same form. If the server refuses one, nobody gets the message.
    to: Vec<String>,
    /// The subject, as a template. Default: what happened, rule, instrument and timeframe.
    subject: Option<String>,
    /// The text, as a template. Default: the same with price, value and times.
    body: Option<String>,
    /// A time span, 1s to 5m: for how long the server is waited for at each step. Default: 30s.
    timeout: Option<String>,
}

const RECEIVERS_MAX: usize = 50;

/// Whether and how the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Starttls,
    Tls,
    None,
}

/// A checked server. It holds no secret, only where the password is.
pub(super) struct MailServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) login: Option<(String, SecretPlace)>,
    pub(super) timeout: Duration,
    /// For people.
    pub(super) shown: String,
}

/// Checks what is written.
pub(super) fn checked(
    written: Map<String, Value>,
    context: &SinkBuildContext,
) -> Result<(MailServer, MessageForm), String> {
    let config: EmailConfig = typed(Value::Object(written))?;
    let form = form(&config, &context.columns)?;
    Ok((server(config, context)?, form))
}

fn server(config: EmailConfig, context: &SinkBuildContext) -> Result<MailServer, String> {
    let encryption = match config.tls.as_deref().unwrap_or("starttls") {
        "starttls" => Encryption::Starttls,
        "tls" => Encryption::Tls,
        "none" => Encryption::None,
        other => return Err(format!("`tls`: `{other}` is not starttls, tls or none")),
    };
    let host = config.host;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/@".contains(c)) {
        return Err(format!("`host`: `{host}` is no name or address of a server"));
    }
    let unencrypted = config.unencrypted.unwrap_or(false);
    if encryption == Encryption::None && !unencrypted && !is_loopback(&host) {
        return Err(format!(
            "`tls`: none is for a server on this machine, and `{host}` is another one; write starttls or tls, or \
             `unencrypted = true` if everybody on the way may read messages and password"
        ));
    }
    let folder = &context.folder;
    let password = match (config.password_env, config.password_file) {
        (None, None) => None,
        (Some(name), None) => Some(SecretPlace::Env(name)),
        (None, Some(path)) => Some(SecretPlace::File(folder.join(path))),
        (Some(_), Some(_)) => {
            return Err("`password_env` and `password_file` are both given; write one".to_owned());
        }
    };
    let login = match (config.user, password) {
        (None, None) => None,
        (Some(user), Some(password)) => Some((user, password)),
        (Some(_), None) => {
            return Err("`user` needs `password_env` or `password_file`".to_owned());
        }
        (None, Some(_)) => return Err("a password needs a `user`".to_owned()),
    };
    let port = config.port.unwrap_or(match encryption {
        Encryption::Starttls => 587,
        Encryption::Tls => 465,
        Encryption::None => 25,
    });
    let timeout = config.timeout.as_deref().unwrap_or("30s");
    let timeout = duration("timeout", timeout, (Span::secs(1), Span::secs(300)))?;
    let ca_file = config.ca_file.map(|path| folder.join(path));
    let shown = format!("{host}:{port}");
    Ok(MailServer { host, port, encryption, ca_file, login, timeout, shown })
}

fn form(config: &EmailConfig, columns: &[String]) -> Result<MessageForm, String> {
    let from = mailbox("from", &config.from)?;
    if !(1..=RECEIVERS_MAX).contains(&config.to.len()) {
        let count = config.to.len();
        return Err(format!("`to` has {count} addresses, and needs 1 to {RECEIVERS_MAX}"));
    }
    let to = config.to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
    let compiled = |key: &str, text: &Option<String>| {
        let compile = |text: &String| Template::compile(key, text, Escaping::Plain, columns);
        text.as_ref().map(compile).transpose()
    };
    let subject = compiled("subject", &config.subject)?;
    let body = compiled("body", &config.body)?;
    Ok(MessageForm { from, to, subject, body })
}

/// An address. What ends a line is refused: it would begin another header.
fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    let wrong = || {
        format!(
            "`{key}`: {text:?} is no address such as `desk@example.org` or `Desk <desk@example.org>`"
        )
    };
    if text.contains(char::is_control) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
