//! Sends requests, and says what answers mean.

use std::error::Error as _;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use market::printable;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, StatusCode, Url};

use super::channel::SendError;
use super::http_target::{HttpTarget, RevealedTarget};
use super::redaction::Redaction;
use super::template::TEXT_BYTES_MAX;
use crate::secret::Secret;

/// Sends requests to one target.
pub(super) struct HttpClient {
    client: Client,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    redaction: Redaction,
}

/// So much of an answer is read, for its error.
const ANSWER_BYTES_MAX: u64 = 512;
/// A server may not ask for a longer pause.
const PAUSE_MAX: Duration = Duration::from_secs(600);

impl HttpClient {
    /// A client of `target`, with the secrets that it has now. It connects when it sends.
    pub(super) fn new(target: &HttpTarget) -> Result<HttpClient, String> {
        let RevealedTarget { url, headers, redaction } = target.reveal()?;
        // One crypto library for all of TLS; an error says that it is set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(Policy::none())
            .timeout(target.timeout)
            .connect_timeout(target.timeout)
            .user_agent(concat!("tickweave/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &target.ca_file {
            let pem = std::fs::read(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| format!("{} holds no certificates: {error}", path.display()))?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|error| shown(error, &redaction))?;
        Ok(HttpClient { client, url, headers, redaction })
    }

    /// The same with a path behind that of the target.
    #[must_use]
    pub(super) fn under(mut self, path: &str) -> HttpClient {
        let base = self.url.path().trim_end_matches('/').to_owned();
        self.url.set_path(&format!("{base}/{path}"));
        self
    }

    /// Something else that no error shows.
    pub(super) fn hides(&mut self, secret: &Secret) {
        self.redaction.hide(secret);
    }

    /// Posts a body, and gives back when the other side has taken it.
    pub(super) fn post(
        &self,
        body: String,
        content_type: &HeaderValue,
        headers: &[(&'static str, String)],
    ) -> Result<(), SendError> {
        if body.len() > TEXT_BYTES_MAX {
            let length = body.len();
            return Err(SendError::Never(format!(
                "it has {length} bytes, {TEXT_BYTES_MAX} at most"
            )));
        }
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, content_type);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        match request.body(body).send() {
            Ok(answer) => self.judge(answer),
            Err(error) if error.is_builder() => {
                Err(SendError::Never(shown(error, &self.redaction)))
            }
            Err(error) => Err(SendError::later(shown(error, &self.redaction))),
        }
    }

    /// What an answer means: taken, try again, or never.
    fn judge(&self, answer: Response) -> Result<(), SendError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let pause = retry_after(answer.headers(), SystemTime::now());
        let mut text = Vec::new();
        let _ = answer.take(ANSWER_BYTES_MAX).read_to_end(&mut text); // what came tells enough
        let text = self.redaction.of(&String::from_utf8_lossy(&text));
        let cause = match printable(text.trim(), ANSWER_BYTES_MAX as usize) {
            text if text.is_empty() => format!("it answers {status}"),
            text => format!("it answers {status}: {text}"),
        };
        match comes_again(status) {
            true => Err(SendError::Later { cause, pause }),
            false if status.is_redirection() => {
                Err(SendError::Never(format!("{cause}; redirects are not followed")))
            }
            false => Err(SendError::Never(cause)),
        }
    }
}

/// Whether the same request may be taken later.
fn comes_again(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// How long the other side asks to be left alone (RFC 9110, section 10.2.3), at most [`PAUSE_MAX`].
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    Some(pause.min(PAUSE_MAX))
}

/// An error with its causes, without the URL and without secrets.
fn shown(error: reqwest::Error, redaction: &Redaction) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(&format!(": {inner_text}"));
        }
        cause = inner.source();
    }
    redaction.of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_number_or_a_date_and_has_a_bound() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_623_398);
        let of = |text: &str| {
            let headers = [(RETRY_AFTER, HeaderValue::from_str(text).unwrap())];
            retry_after(&HeaderMap::from_iter(headers), now).map(|pause| pause.as_secs())
        };
        assert_eq!(
            [of("7"), of(" 86400 "), of("soon"), of("-1")],
            [Some(7), Some(600), None, None]
        );
        assert_eq!(of("Mon, 05 Jan 2026 14:30:28 GMT"), Some(30));
        assert_eq!(of("Mon, 05 Jan 2026 14:00:00 GMT"), None, "it is over");
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn which_answers_come_again() {
        let again = |status| comes_again(StatusCode::from_u16(status).unwrap());
        assert!([408, 425, 429, 500, 502, 503, 504].into_iter().all(again));
        assert!(![301, 400, 401, 403, 404, 410, 413, 422].into_iter().any(again));
    }
}
