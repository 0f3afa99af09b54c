//! A key as its file has it.

use market::{EventTime, TimeUnit};
use node_api::{ApiKey, KEY_NAME_MAX, RowLimits, Scopes, SecretHash, UnknownScope, is_key_id};
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entries {
    #[serde(default, rename = "key")]
    pub(super) keys: Vec<Entry>,
}

/// One key.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    name: String,
    sha256: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    portfolios: Option<Vec<String>>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The id.
    #[error("`{0}` is no id: an id has 12 hexadecimal digits in lower case")]
    Id(String),
    /// The name.
    #[error("its name is empty, longer than {KEY_NAME_MAX} bytes, or has control characters")]
    Name,
    /// The hash. It is not shown, lest it is a secret.
    #[error("its `sha256` is not 64 hexadecimal digits")]
    Hash,
    /// The scopes.
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    /// There are none.
    #[error("it has no scope (possible: read, ingest, control, admin)")]
    NoScope,
    /// A time.
    #[error("`{0}` is no time such as 2027-01-31T00:00:00Z")]
    Time(String),
    /// Too many names.
    #[error("its `{kind}` are more than {most} names", most = RowLimits::NAMES_MAX)]
    Names {
        /// Of what.
        kind: &'static str,
    },
}

impl Entry {
    pub(super) fn of(key: &ApiKey) -> Entry {
        let RowLimits { views, symbols, portfolios } = key.limits.clone();
        Entry {
            id: key.id.clone(),
            name: key.name.clone(),
            sha256: key.hash.hex(),
            scopes: key.scopes.names().into_iter().map(str::to_owned).collect(),
            views,
            symbols,
            portfolios,
            created: key.created.rfc3339(),
            expires: key.expires.map(EventTime::rfc3339),
        }
    }

    pub(super) fn key(self) -> Result<ApiKey, EntryError> {
        let Entry { id, name, sha256, scopes, views, symbols, portfolios, created, expires } = self;
        if !is_key_id(&id) {
            return Err(EntryError::Id(id));
        }
        if !is_name(&name) {
            return Err(EntryError::Name);
        }
        if scopes.is_empty() {
            return Err(EntryError::NoScope);
        }
        for (kind, names) in [("views", &views), ("symbols", &symbols), ("portfolios", &portfolios)]
        {
            if names.as_ref().is_some_and(|names| names.len() > RowLimits::NAMES_MAX) {
                return Err(EntryError::Names { kind });
            }
        }
        Ok(ApiKey {
            id,
            name,
            hash: SecretHash::of_hex(&sha256).ok_or(EntryError::Hash)?,
            scopes: scopes.join(",").parse::<Scopes>()?,
            limits: RowLimits { views, symbols, portfolios },
            created: time(created)?,
            expires: expires.map(time).transpose()?,
        })
    }
}

fn is_name(name: &str) -> bool {
    (1..=KEY_NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

pub(super) fn time(text: String) -> Result<EventTime, EntryError> {
    EventTime::parse(&text, TimeUnit::Rfc3339).map_err(|_| EntryError::Time(text))
}
