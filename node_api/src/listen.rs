//! Which addresses a node may listen on.

use std::net::SocketAddr;

/// An address can be reached from other machines, and there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached from other machines, and without keys anyone there could read and feed this process. Make a key \
     (tickweave keys create --file keys.toml --name NAME --scopes read,ingest) and name the file (`keys = \"keys.toml\"` \
     in [http]), or listen on an address of the loopback, such as 127.0.0.1:8080"
)]
pub struct NeedsKeys(pub SocketAddr);

/// Whether a node may listen on an address: beyond the loopback only if it answers nobody without a key.
pub fn may_listen(address: SocketAddr, has_keys: bool) -> Result<(), NeedsKeys> {
    match has_keys || address.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(NeedsKeys(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_loopback_there_must_be_keys() {
        for (address, is_loopback) in [
            ("127.0.0.1:80", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("192.0.2.1:80", false),
            ("[::ffff:192.0.2.1]:80", false),
        ] {
            let parsed = address.parse().unwrap();
            assert_eq!(may_listen(parsed, false).is_ok(), is_loopback, "{address}");
            assert_eq!(may_listen(parsed, true), Ok(()), "{address}");
        }
    }
}
