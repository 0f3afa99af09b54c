//! `kind = "email"`: a message for each change, by SMTP.
//!
//! A message's id is that of the event, so programs recognise a repetition; a withdrawal is a reply to the message that
//! told of the raise. One connection per message, since few are sent.

mod config;
mod message;

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::response::{Category, Detail, Severity};
use lettre::{SmtpTransport, Transport as _};
use serde_json::{Map, Value};

use self::config::{Encryption, MailServer};
use self::message::MessageForm;
use super::channel::{Channel, SendError};
use super::config::{NotifySettings, wrong};
use super::notice::Notice;
use super::outbox::{Outboxes, failed};
use super::redaction::Redaction;
use crate::registry::{SinkBuildContext, TypedSink};
use crate::sink::{EarlierStarts, Sink, SinkError, SinkWriter};

pub use config::EmailConfig;

/// Sends messages.
pub struct EmailSink {
    server: MailServer,
    form: MessageForm,
    outboxes: Outboxes,
}

/// Sends messages by one server.
struct EmailChannel {
    transport: SmtpTransport,
    form: MessageForm,
    redaction: Redaction,
}

impl TypedSink for EmailSink {
    const KIND: &'static str = "email";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: SinkBuildContext) -> Result<EmailSink, SinkError> {
        build(written, &context).map_err(wrong(&context))
    }
}

fn build(mut written: Map<String, Value>, context: &SinkBuildContext) -> Result<EmailSink, String> {
    let settings = NotifySettings::split(&mut written)?;
    let (server, form) = config::checked(written, context)?;
    Ok(EmailSink { server, form, outboxes: Outboxes::new(settings) })
}

impl Sink for EmailSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let shown = &self.server.shown;
        let transport = transport(&self.server);
        let (transport, redaction) =
            transport.map_err(|why| failed(shown, SendError::later(why)))?;
        let channel = EmailChannel { transport, form: self.form.clone(), redaction };
        Ok(Box::new(self.outboxes.writer(view, channel, shown)))
    }

    fn needs_before(&self) -> bool {
        true
    }

    fn goes_on(&self, earlier: &EarlierStarts) {
        self.outboxes.goes_on(earlier);
    }
}

/// How messages get to the server, with the password that there is now, and what hides that. Connects to nothing yet.
fn transport(server: &MailServer) -> Result<(SmtpTransport, Redaction), String> {
    let mut redaction = Redaction::default();
    let tls = match server.encryption {
        Encryption::None => Tls::None,
        Encryption::Starttls => Tls::Required(tls(server)?),
        Encryption::Tls => Tls::Wrapper(tls(server)?),
    };
    let mut transport = SmtpTransport::builder_dangerous(&server.host) // its name says: without the `tls` below
        .port(server.port)
        .tls(tls)
        .timeout(Some(server.timeout));
    if let Some((user, password)) = &server.login {
        let password = password.read().map_err(|why| format!("the password: {why}"))?;
        redaction.hide_login(user, &password);
        transport =
            transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    Ok((transport.build(), redaction))
}

/// TLS with the certificates of the system, and those of `ca_file`.
fn tls(server: &MailServer) -> Result<TlsParameters, String> {
    // One crypto library for all of TLS; an error says that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut parameters = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca_file {
        let pem = std::fs::read(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|error| format!("{} holds no certificate: {error}", path.display()))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build_rustls().map_err(|error| error.to_string())
}

impl Channel for EmailChannel {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        let message = self.form.message(notice).map_err(SendError::Never)?;
        match self.transport.send(&message) {
            Ok(_) => Ok(()),
            Err(error) => {
                let said = self.redaction.of(&error.to_string());
                match is_final(&error) {
                    true => Err(SendError::Never(format!("the server says {said}"))),
                    false => Err(SendError::Later { cause: said, pause: pause(&error) }),
                }
            }
        }
    }
}

/// Whether the server refuses this message for good. What it says of the login may be over with another password.
fn is_final(error: &lettre::transport::smtp::Error) -> bool {
    // 530, 534, 535 and 538 are about the login (RFC 4954).
    let of_login = error.status().is_some_and(|code| {
        code.severity == Severity::PermanentNegativeCompletion
            && code.category == Category::Unspecified3
            && matches!(code.detail, Detail::Zero | Detail::Four | Detail::Five | Detail::Eight)
    });
    error.is_permanent() && !of_login
}

/// A server that says 4xx wants to be left alone for longer than one that is not there: greylisting takes minutes.
fn pause(error: &lettre::transport::smtp::Error) -> Option<Duration> {
    error.is_transient().then_some(Duration::from_secs(30))
}
