//! `[http]` as its user writes it.

use node_api::ClientLimits;
use serde::{Deserialize, Serialize};

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttp {
    /// The address to serve on, with its port. Beyond the loopback there must be `keys`.
    pub listen: String,
    /// The file of API keys, as `tickweave keys` writes it. With it nobody is answered without a key, on the loopback
    /// neither. Changes of the file count within two seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// A second address, with its port, that serves `/health`, `/health/live`, `/health/ready` and `/metrics` alone,
    /// such as `127.0.0.1:9090`: on the loopback without a key, and without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<String>,
    /// Names and addresses, without ports, under which it may be asked besides `localhost` and those of the loopback,
    /// such as that of a proxy before it: the requests' `Host`.
    pub allowed_hosts: Vec<String>,
    /// Origins of other sites whose pages may read, follow and post, such as `http://localhost:3000`. Pages of all
    /// others are refused.
    pub allowed_origins: Vec<String>,
    /// Whether a live run takes rows by `POST /api/streaming/process`.
    #[serde(alias = "inlet")] // its deprecated name
    pub ingest: bool,
    /// For how long rows of clients are waited for: a bar that only they tell of is final so long after its end, by
    /// their own time. `forever`: never.
    pub grace: String,
    /// The most bytes of the body of such a request.
    pub body_bytes: usize,
    /// The most rows of such a request.
    pub body_rows: usize,
    /// What one client may take up.
    pub limits: RawClientLimits,
    /// How the server speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RawTls>,
}

/// `[http.tls]`: serves HTTPS (TLS 1.2 and 1.3, with HTTP/2). Files are in PEM, and read again within seconds when they
/// change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// Required: the certificate of the server, and those that lead from it to one that clients trust.
    pub certificate: String,
    /// Required: the private key of the certificate.
    pub key: String,
    /// Certificates of which one must have signed that of each client. Without it clients need no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
}

/// `[http.limits]`: what one client may take up, where there are `keys`; beyond it the answer is 429.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawClientLimits {
    /// Requests per second in the long run: of a key, and of an address without a good key.
    pub requests_per_second: usize,
    /// Requests at once, after a pause.
    pub request_burst: usize,
    /// Bytes per second that one key may post. One body always fits.
    pub post_bytes_per_second: usize,
    /// Streams and WebSockets of a key at a time. A WebSocket follows up to 64 views.
    pub followed: usize,
    /// Connections of an address at a time. Of IPv6 an address is its first 64 bits; those of the loopback are not
    /// counted.
    pub connections: usize,
}

impl Default for RawHttp {
    fn default() -> RawHttp {
        RawHttp {
            listen: "127.0.0.1:8080".to_owned(),
            keys: None,
            management: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            ingest: true,
            grace: "1m".to_owned(),
            body_bytes: 8 << 20,
            body_rows: 10_000,
            limits: RawClientLimits::default(),
            tls: None,
        }
    }
}

impl Default for RawClientLimits {
    fn default() -> RawClientLimits {
        let limits = ClientLimits::default();
        RawClientLimits {
            requests_per_second: limits.requests_per_second as usize,
            request_burst: limits.request_burst as usize,
            post_bytes_per_second: limits.post_bytes_per_second as usize,
            followed: limits.followed as usize,
            connections: limits.connections as usize,
        }
    }
}
