//! What one client may take up where there are keys.

/// The share of one key, and of one address without a good key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests per second in the long run, at least 1: of a key, and of an address without a good key.
    pub requests_per_second: u32,
    /// Requests at once, after a pause; at least 1.
    pub request_burst: u32,
    /// Bytes of posted bodies per second of a key, at least 1. One body always fits.
    pub post_bytes_per_second: u32,
    /// Streams and WebSockets of a key at a time, at least 1.
    pub followed: u32,
    /// Connections of an address at a time, at least 1. Of IPv6 an address is its first 64 bits. Those of the
    /// loopback are not counted, since a proxy may stand there.
    pub connections: u32,
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits {
            requests_per_second: 100,
            request_burst: 400,
            post_bytes_per_second: 32 << 20,
            followed: 64,
            connections: 64,
        }
    }
}
