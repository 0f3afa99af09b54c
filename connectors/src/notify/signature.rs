//! The signature of a webhook's requests.
//!
//! A request has the header `Tickweave-Signature`: `t=TIME,v1=SIGNATURE`. TIME is when it was sent, in seconds since 1970, and
//! SIGNATURE the HMAC-SHA256 (RFC 2104) of `TIME.BODY` with the shared secret, in hexadecimal digits. A receiver computes
//! the same, compares in constant time, and refuses a TIME that is some minutes off, so that nobody sends it again.

use ring::hmac;

use super::notice::hex;

/// The name of the header.
pub(super) const HEADER: &str = "Tickweave-Signature";

/// The value of the header of a body that is sent at `time`, in seconds since 1970.
///
/// ```
/// let value = connectors::notify::signature(b"secret", 1_767_623_398, b"{}");
/// assert_eq!(
///     value,
///     "t=1767623398,v1=cb8d792ae483cfeaa71267edf80c650f89bf0cde10c011c99697d80eba510c91"
/// );
/// ```
pub fn signature(secret: &[u8], time: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut signed = hmac::Context::with_key(&key);
    signed.update(time.to_string().as_bytes());
    signed.update(b".");
    signed.update(body);
    format!("t={time},v1={}", hex(signed.sign().as_ref()))
}
