//! Where requests go, as it is configured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use market::Span;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{duration, part};
use super::redaction::Redaction;
use crate::secret::{SecretPlace, secret_in_url};

/// The keys of a server that requests go to. One of `url`, `url_env` and `url_file` is needed. Redirects are not followed.
/// Variables such as `HTTPS_PROXY` and `NO_PROXY` are heeded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTargetConfig {
    /// `https://HOST/PATH` or `http://…`. It holds no secret: a configuration is shown and recorded. A URL that is a secret,
    /// as those of Slack are, is named by `url_env` or `url_file`.
    url: Option<String>,
    /// The name of the environment variable that holds the URL.
    url_env: Option<String>,
    /// The file that holds the URL, read anew for each connection.
    url_file: Option<PathBuf>,
    /// Headers of each request, at most 32. The value of one that may be a secret, such as `Authorization`, is written
    /// `{ env = "NAME" }` or `{ file = "PATH" }`. Default: none.
    headers: Option<BTreeMap<String, Value>>,
    /// A time span, 100ms to 1m: a request that is not answered by then is tried again. Default: 10s.
    timeout: Option<String>,
    /// The file of certificates (PEM) that a TLS server is held to, besides those of the system. Default: none.
    ca_file: Option<PathBuf>,
}

const KEYS: [&str; 6] = ["url", "url_env", "url_file", "headers", "timeout", "ca_file"];
const HEADERS_MAX: usize = 32;
/// Headers that the sink sets itself.
const OWN_HEADERS: [&str; 5] =
    ["content-type", "content-length", "host", "idempotency-key", "tickweave-signature"];
/// Parts of the names of headers whose values are secrets.
const SECRET_NAMES: [&str; 7] =
    ["auth", "token", "key", "secret", "cookie", "password", "credential"];

/// A checked target. It holds no secret, only where secrets are.
#[derive(Clone, Debug)]
pub(super) struct HttpTarget {
    url: UrlPlace,
    headers: Vec<(HeaderName, HeaderText)>,
    pub(super) timeout: Duration,
    pub(super) ca_file: Option<PathBuf>,
    /// For people: where requests go, without secrets.
    pub(super) shown: String,
}

#[derive(Clone, Debug)]
enum UrlPlace {
    Plain(Url),
    Secret(SecretPlace),
}

#[derive(Clone, Debug)]
enum HeaderText {
    Plain(HeaderValue),
    Secret(SecretPlace),
}

/// A target with its secrets, for as long as a connection lasts.
pub(super) struct RevealedTarget {
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Hides what is shown nowhere.
    pub(super) redaction: Redaction,
}

impl HttpTarget {
    /// Takes the keys of [`HttpTargetConfig`] out of what is written; relative paths start at `folder`. A `url` in the
    /// configuration is only for targets whose URL is no secret.
    pub(super) fn split(
        written: &mut Map<String, Value>,
        folder: &Path,
        is_secret: bool,
    ) -> Result<HttpTarget, String> {
        let config: HttpTargetConfig = part(written, &KEYS)?;
        let (url, shown) = url(&config, folder, is_secret)?;
        let headers = config.headers.unwrap_or_default();
        if headers.len() > HEADERS_MAX {
            return Err(format!("`headers` has {} headers, {HEADERS_MAX} at most", headers.len()));
        }
        let headers = headers.into_iter().map(|(name, value)| header(&name, value, folder));
        let headers = headers.collect::<Result<_, _>>()?;
        let timeout = config.timeout.as_deref().unwrap_or("10s");
        let timeout = duration("timeout", timeout, (Span::millis(100), Span::secs(60)))?;
        let ca_file = config.ca_file.map(|path| folder.join(path));
        Ok(HttpTarget { url, headers, timeout, ca_file, shown })
    }

    /// Reads the secrets where they are.
    pub(super) fn reveal(&self) -> Result<RevealedTarget, String> {
        let mut redaction = Redaction::default();
        let url = match &self.url {
            UrlPlace::Plain(url) => url.clone(),
            UrlPlace::Secret(place) => {
                let secret = place.read().map_err(|problem| format!("the URL: {problem}"))?;
                let url = parsed(secret.reveal())
                    .map_err(|problem| format!("the URL of {} {problem}", self.shown))?;
                redaction.hide(&secret);
                redaction.hide_url(&url);
                url
            }
        };
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, text) in &self.headers {
            let value = match text {
                HeaderText::Plain(value) => value.clone(),
                HeaderText::Secret(place) => {
                    let secret = place
                        .read()
                        .map_err(|problem| format!("the header `{name}`: {problem}"))?;
                    let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| {
                        format!("the value of the header `{name}` is no text of a header")
                    })?;
                    value.set_sensitive(true);
                    redaction.hide(&secret);
                    value
                }
            };
            headers.push((name.clone(), value));
        }
        Ok(RevealedTarget { url, headers, redaction })
    }
}

/// Where the URL is, and how it is shown.
fn url(
    config: &HttpTargetConfig,
    folder: &Path,
    is_secret: bool,
) -> Result<(UrlPlace, String), String> {
    let HttpTargetConfig { url, url_env, url_file, .. } = config;
    match (url, url_env, url_file) {
        (Some(_), None, None) if is_secret => {
            Err("`url` is a secret here, and a configuration is shown and recorded; say where it is by `url_env` or \
                 `url_file`"
                .to_owned())
        }
        (Some(url), None, None) => {
            if let Some(what) = secret_in_url(url) {
                return Err(format!(
                    "`url` holds {what}, which may be a secret, and a configuration is shown and recorded; say where \
                     it is by `url_env` or `url_file`"
                ));
            }
            let url = parsed(url).map_err(|problem| format!("`url` {problem}"))?;
            let shown = url.origin().ascii_serialization();
            Ok((UrlPlace::Plain(url), shown))
        }
        (None, Some(name), None) => {
            Ok((UrlPlace::Secret(SecretPlace::Env(name.clone())), format!("the URL in ${name}")))
        }
        (None, None, Some(path)) => {
            let path = folder.join(path);
            let shown = format!("the URL in {}", path.display());
            Ok((UrlPlace::Secret(SecretPlace::File(path)), shown))
        }
        (None, None, None) if is_secret => {
            Err("a URL is needed: say where it is by `url_env` or `url_file`".to_owned())
        }
        (None, None, None) => {
            Err("a URL is needed: write `url`, or where it is as `url_env` or `url_file`".to_owned())
        }
        _ => Err("more than one of `url`, `url_env` and `url_file` is given; write one".to_owned()),
    }
}

/// A URL that requests can be sent to; the error does not quote it.
fn parsed(text: &str) -> Result<Url, String> {
    let url: Url = text.trim().parse().map_err(|error| format!("is none ({error})"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("must begin with https:// or http:// and name a host".to_owned()),
    }
}

fn header(name: &str, value: Value, folder: &Path) -> Result<(HeaderName, HeaderText), String> {
    let at = |problem: &str| format!("`headers`: the header `{name}` {problem}");
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| at("has a name that no header may have"))?;
    if OWN_HEADERS.contains(&parsed.as_str()) {
        return Err(at("is set by the sink itself"));
    }
    let is_secret = SECRET_NAMES.iter().any(|part| parsed.as_str().contains(part));
    let text = match value {
        Value::String(_) if is_secret => {
            return Err(at(
                "may be a secret and is not written here: write { env = \"NAME\" } or { file = \"PATH\" }",
            ));
        }
        Value::String(text) => HeaderText::Plain(
            HeaderValue::from_str(&text).map_err(|_| at("has a value that no header may have"))?,
        ),
        Value::Object(table) => {
            HeaderText::Secret(SecretPlace::of_table(&table, folder).ok_or_else(|| {
                at("is neither a text nor { env = \"NAME\" } or { file = \"PATH\" }")
            })?)
        }
        _ => return Err(at("is neither a text nor { env = \"NAME\" } or { file = \"PATH\" }")),
    };
    Ok((parsed, text))
}
