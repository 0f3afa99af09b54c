//! What protects the server: keys, TLS, limits of each client, and a listener of its own for probes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use node_api::{ClientLimits, TlsFiles, may_listen};

use super::ConfigError;
use super::files::JobFile;
use super::raw_http::{RawClientLimits, RawHttp, RawTls};
use super::values::in_range;

/// What protects the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectionConfig {
    /// The file of API keys; none: there are no keys.
    pub keys: Option<PathBuf>,
    /// The files of TLS; none: the server does not speak it.
    pub tls: Option<TlsFiles>,
    /// The share of each client.
    pub limits: ClientLimits,
    /// Where to serve health and metrics besides.
    pub management: Option<SocketAddr>,
}

impl RawClientLimits {
    fn check(&self) -> Result<ClientLimits, ConfigError> {
        let checked = |place: &str, number: Result<usize, ConfigError>| {
            u32::try_from(number?).map_err(|error| ConfigError::at(place)(error.to_string()))
        };
        Ok(ClientLimits {
            requests_per_second: checked(
                "http.limits.requests_per_second",
                in_range("http.limits.requests_per_second", self.requests_per_second, 1, 1_000_000),
            )?,
            request_burst: checked(
                "http.limits.request_burst",
                in_range("http.limits.request_burst", self.request_burst, 1, 1_000_000),
            )?,
            post_bytes_per_second: checked(
                "http.limits.post_bytes_per_second",
                in_range(
                    "http.limits.post_bytes_per_second",
                    self.post_bytes_per_second,
                    1,
                    1 << 30,
                ),
            )?,
            followed: checked(
                "http.limits.followed",
                in_range("http.limits.followed", self.followed, 1, 65_536),
            )?,
            connections: checked(
                "http.limits.connections",
                in_range("http.limits.connections", self.connections, 1, 65_536),
            )?,
        })
    }
}

impl ProtectionConfig {
    pub(super) fn check(http: &RawHttp, folder: &Path) -> Result<ProtectionConfig, ConfigError> {
        let tls = http.tls.as_ref().map(|raw| tls(raw, folder)).transpose()?;
        let keys = path("http.keys", http.keys.as_deref(), folder)?;
        let limits = http.limits.check()?;
        let mut protection = ProtectionConfig { keys, tls, limits, management: None };
        let management = http.management.as_deref();
        let management = management.map(|text| protection.address("http.management", text));
        protection.management = management.transpose()?;
        Ok(protection)
    }

    /// The address to serve on.
    pub(super) fn listen(&self, http: &RawHttp) -> Result<SocketAddr, ConfigError> {
        self.address("http.listen", &http.listen)
    }

    /// An address, with its port, that may be listened on.
    fn address(&self, place: &str, text: &str) -> Result<SocketAddr, ConfigError> {
        let wrong = ConfigError::at(place);
        let address = match text.strip_prefix("localhost:") {
            Some(port) => port.parse().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).ok(),
            None => text.parse().ok(),
        };
        let Some(address) = address else {
            return Err(wrong(format!(
                "`{text}` is not an address such as 127.0.0.1:8080 or localhost:8080"
            )));
        };
        let may = may_listen(address, self.keys.is_some());
        may.map(|()| address).map_err(|error| wrong(error.to_string()))
    }

    /// The files that it reads.
    pub(super) fn files(&self) -> Vec<JobFile> {
        let tls = self.tls.iter().flat_map(|tls| {
            let files = [
                (Some(&tls.certificate), "the certificate of the server"),
                (Some(&tls.key), "the key of the server"),
                (tls.client_ca.as_ref(), "the certificates that sign those of clients"),
            ];
            files.into_iter().filter_map(|(path, what)| Some(JobFile::new(path?, what)))
        });
        let keys = self.keys.iter().map(|path| JobFile::new(path, "the API keys"));
        keys.chain(tls).collect()
    }
}

fn tls(raw: &RawTls, folder: &Path) -> Result<TlsFiles, ConfigError> {
    let required = |place, written: &str| {
        let path = path(place, Some(written), folder)?;
        path.ok_or_else(|| ConfigError::at(place)("is required".to_owned()))
    };
    Ok(TlsFiles {
        certificate: required("http.tls.certificate", &raw.certificate)?,
        key: required("http.tls.key", &raw.key)?,
        client_ca: path("http.tls.client_ca", raw.client_ca.as_deref(), folder)?,
    })
}

/// The path of a file, from the folder of the configuration on.
fn path(place: &str, written: Option<&str>, folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    match written {
        Some("") => Err(ConfigError::at(place)("names no file; leave it out".to_owned())),
        written => Ok(written.map(|written| folder.join(written))),
    }
}
