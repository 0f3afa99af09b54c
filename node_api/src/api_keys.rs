//! API keys: who may use a node, and what for.
//!
//! A key is the text `tw_<id>_<secret>`: the id names it in lists and logs, the secret are 256 random bits in base64
//! (RFC 4648 §5, without padding). Only the SHA-256 of a secret is kept. A slow hash is for passwords that people
//! choose; 256 random bits cannot be guessed, however fast they are tried.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use market::EventTime;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::row_limits::RowLimits;
use crate::scopes::Scopes;

/// The most keys of a node.
pub const KEYS_MAX: usize = 1_024;
/// The most bytes of a key's name.
pub const KEY_NAME_MAX: usize = 64;

const PREFIX: &str = "tw_";
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 12;

/// The secret of a key or a ticket. It shows nowhere but where it is handed out: `Debug` leaves it out.
#[derive(Clone)]
pub struct KeySecret([u8; 32]);

/// The SHA-256 of a [`KeySecret`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

/// What a client presents as a key.
#[derive(Clone, Debug)]
pub struct PresentedKey {
    id: String,
    secret: KeySecret,
}

/// A key as a node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id: 12 hexadecimal digits.
    pub id: String,
    /// What people call it, at most [`KEY_NAME_MAX`] bytes.
    pub name: String,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// What it may do.
    pub scopes: Scopes,
    /// Which rows it may see and send.
    pub limits: RowLimits,
    /// When it was made.
    pub created: EventTime,
    /// From when on it is good for nothing; none: never.
    pub expires: Option<EventTime>,
}

/// All keys of a node, at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(HashMap<String, Arc<ApiKey>>);

/// Keys that cannot be together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// An id is that of two keys.
    #[error("two keys have the id `{0}`")]
    Repeated(String),
    /// There are too many.
    #[error("there are {0} keys; at most {KEYS_MAX} are possible")]
    TooMany(usize),
}

/// Why a presented key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// It is no key.
    #[error("what is presented is no key: a key is `tw_`, an id, `_` and a secret")]
    Malformed,
    /// The node has no such key, or not any more.
    #[error("this node has no such key, or has it no more")]
    Unknown,
    /// It was good until some time ago.
    #[error("the key has expired")]
    Expired,
}

impl KeySecret {
    /// A secret of these bytes, which must be random.
    pub fn of(random: [u8; 32]) -> KeySecret {
        KeySecret(random)
    }

    /// The 43 characters that clients present.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.0).as_ref());
        SecretHash(hash)
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

impl FromStr for KeySecret {
    type Err = KeyRefusal;

    fn from_str(text: &str) -> Result<KeySecret, KeyRefusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyRefusal::Malformed)?;
        bytes.try_into().map(KeySecret).map_err(|_| KeyRefusal::Malformed)
    }
}

impl SecretHash {
    /// Whether it is the hash of this secret. Takes as long wherever they differ.
    pub fn is_of(&self, secret: &KeySecret) -> bool {
        self.0.ct_eq(&secret.hash().0).into()
    }

    /// As 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The hash of 64 hexadecimal digits.
    pub fn of_hex(text: &str) -> Option<SecretHash> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(SecretHash(hash))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl PresentedKey {
    /// A key of this id.
    pub fn new(id: [u8; ID_DIGITS / 2], secret: KeySecret) -> PresentedKey {
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        PresentedKey { id, secret }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its secret.
    pub fn secret(&self) -> &KeySecret {
        &self.secret
    }

    /// The whole key, to be handed out once.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret.text())
    }
}

impl FromStr for PresentedKey {
    type Err = KeyRefusal;

    fn from_str(text: &str) -> Result<PresentedKey, KeyRefusal> {
        let rest = text.strip_prefix(PREFIX).ok_or(KeyRefusal::Malformed)?;
        let (id, secret) = rest.split_once('_').ok_or(KeyRefusal::Malformed)?;
        if !is_key_id(id) {
            return Err(KeyRefusal::Malformed);
        }
        Ok(PresentedKey { id: id.to_owned(), secret: secret.parse()? })
    }
}

/// Whether a text is the id of a key: 12 hexadecimal digits in lower case.
pub fn is_key_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == ID_DIGITS && text.bytes().all(is_digit)
}

impl ApiKey {
    /// Whether it is good for nothing any more at `now`.
    pub fn is_expired(&self, now: EventTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl KeySet {
    /// These keys.
    pub fn new(keys: Vec<ApiKey>) -> Result<KeySet, KeySetError> {
        if keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany(keys.len()));
        }
        let mut by_id = HashMap::with_capacity(keys.len());
        for key in keys {
            if let Some(before) = by_id.insert(key.id.clone(), Arc::new(key)) {
                return Err(KeySetError::Repeated(before.id.clone()));
            }
        }
        Ok(KeySet(by_id))
    }

    /// The key that a client presents, if it is good at `now`.
    ///
    /// A wrong secret is refused like an unknown id, so that nobody learns which ids there are.
    pub fn find(
        &self,
        presented: &PresentedKey,
        now: EventTime,
    ) -> Result<Arc<ApiKey>, KeyRefusal> {
        let known = self.0.get(&presented.id).filter(|key| key.hash.is_of(&presented.secret));
        let key = known.ok_or(KeyRefusal::Unknown)?;
        if key.is_expired(now) {
            return Err(KeyRefusal::Expired);
        }
        Ok(Arc::clone(key))
    }

    /// Whether it has this very key still, and the key is good at `now`.
    pub fn has(&self, key: &ApiKey, now: EventTime) -> bool {
        self.0.get(&key.id).is_some_and(|own| **own == *key) && !key.is_expired(now)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scopes::Scope;

    fn presented(number: u8) -> PresentedKey {
        PresentedKey::new([number; 6], KeySecret::of([number; 32]))
    }

    fn key(number: u8, expires: Option<i64>) -> ApiKey {
        let presented = presented(number);
        ApiKey {
            id: presented.id().to_owned(),
            name: "a".to_owned(),
            hash: presented.secret().hash(),
            scopes: Scopes::of(&[Scope::Read]),
            limits: RowLimits::default(),
            created: EventTime(0),
            expires: expires.map(EventTime),
        }
    }

    #[test]
    fn a_key_is_found_by_its_whole_text() {
        let keys = KeySet::new(vec![key(1, None), key(2, Some(10))]).unwrap();
        let find = |text: &str, now| {
            text.parse().and_then(|presented| keys.find(&presented, EventTime(now)))
        };
        let [one, two, three] = [1, 2, 3].map(|number| presented(number).text());
        assert_eq!(one.len(), 3 + 12 + 1 + 43);
        assert_eq!(find(&one, 11).unwrap().id, "010101010101");
        assert!(find(&two, 9).is_ok());
        assert_eq!(find(&two, 10), Err(KeyRefusal::Expired));
        assert_eq!(find(&three, 0), Err(KeyRefusal::Unknown));
        let other_secret = PresentedKey::new([1; 6], KeySecret::of([2; 32])).text();
        assert_eq!(find(&other_secret, 0), Err(KeyRefusal::Unknown));
        for wrong in
            ["", "tw_", "tw_010101010101", "tw_010101010101_", &one[1..], &one[..58], "tw_0_x"]
        {
            assert_eq!(find(wrong, 0), Err(KeyRefusal::Malformed), "{wrong}");
        }
        assert!(keys.has(&key(1, None), EventTime(0)));
        assert!(!keys.has(&key(1, Some(5)), EventTime(0)), "it was changed");
        assert!(!keys.has(&key(2, Some(10)), EventTime(10)), "it has expired");
    }

    #[test]
    fn secrets_show_nowhere() {
        let presented = presented(7);
        let shown = format!("{presented:?} {:?} {:?}", key(7, None), presented.secret());
        assert!(!shown.contains(&presented.secret().text()), "{shown}");
        assert!(!shown.contains(&presented.secret().hash().hex()), "{shown}");
        let hash = presented.secret().hash();
        assert_eq!(SecretHash::of_hex(&hash.hex()), Some(hash));
        assert_eq!(SecretHash::of_hex("+1"), None);
        assert_eq!(SecretHash::of_hex(&"é".repeat(32)), None);
    }

    #[test]
    fn ids_are_those_of_one_key() {
        let id = "010101010101".to_owned();
        let twice = KeySet::new(vec![key(1, None), key(1, Some(3))]);
        assert_eq!(twice, Err(KeySetError::Repeated(id)));
    }
}
