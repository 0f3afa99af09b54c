//! Properties of the client library, as they are written and as they are handed over.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use serde_json::{Map, Value};

use crate::secret::SecretPlace;

/// Properties that a user has set; no secret is among them, only where it is. Recordings hold the configuration and
/// `check` shows it, so it must have nothing that can leak.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties(BTreeMap<String, Held>);

/// Where the value of a property is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    /// Here.
    Plain(String),
    /// Elsewhere.
    Secret(SecretPlace),
}

/// A property that is not a user's to set, and why or what to write instead.
pub(super) type Owned = (&'static str, &'static str);

/// What neither source nor sink leaves to its user.
const OWNED: [Owned; 4] = [
    ("bootstrap.servers", "write `servers`"),
    ("metadata.broker.list", "write `servers`"),
    ("plugin.library.paths", "no foreign code is loaded"),
    ("statistics.interval.ms", "statistics report how the source is connected"),
];

/// Parts of the names of properties whose values are secrets.
const SECRETS: [&str; 6] =
    ["password", "passphrase", "secret", "key.pem", "oauthbearer.config", "jaas"];

impl Properties {
    /// Checks what was written: names with dots, quoted or as tables in tables. Files start at `folder`.
    ///
    /// An error names the property, and never shows the value of one that may be a secret.
    pub(super) fn check(
        written: Map<String, Value>,
        folder: &Path,
        owned: &[Owned],
    ) -> Result<Properties, String> {
        let mut properties = Properties::default();
        properties.flatten("", written, folder)?;
        for name in properties.0.keys() {
            if let Some((_, why)) = OWNED.iter().chain(owned).find(|(owned, _)| owned == name) {
                return Err(format!("the property `{name}` cannot be set: {why}"));
            }
        }
        // Unknown names and impossible values are reported now, not when a server is asked.
        let mut plain = ClientConfig::new();
        for (name, held) in &properties.0 {
            match held {
                Held::Plain(_) if is_secret(name) => {
                    return Err(format!(
                        "the property `{name}` is a secret and is not written here: write {{ env = \"NAME\" }} or \
                         {{ file = \"PATH\" }}"
                    ));
                }
                Held::Plain(value) => drop(plain.set(name, value)),
                Held::Secret(_) => {}
            }
        }
        plain.create_native_config().map_err(|error| refused(&error))?;
        Ok(properties)
    }

    fn flatten(
        &mut self,
        prefix: &str,
        written: Map<String, Value>,
        folder: &Path,
    ) -> Result<(), String> {
        for (name, value) in written {
            let name = format!("{prefix}{name}");
            let held = match value {
                Value::String(text) => Held::Plain(text),
                Value::Bool(_) | Value::Number(_) => Held::Plain(value.to_string()),
                Value::Object(table) => match SecretPlace::of_table(&table, folder) {
                    Some(place) => Held::Secret(place),
                    None => {
                        self.flatten(&format!("{name}."), table, folder)?;
                        continue;
                    }
                },
                Value::Array(_) | Value::Null => {
                    return Err(format!(
                        "the property `{name}` is neither a text, a number nor true or false"
                    ));
                }
            };
            self.0.insert(name, held);
        }
        Ok(())
    }

    /// Sets them, and reads the secrets where they are.
    pub(super) fn set(&self, config: &mut ClientConfig) -> Result<(), String> {
        for (name, held) in &self.0 {
            let read = |place: &SecretPlace| {
                place.read().map_err(|why| format!("the property `{name}`: {why}"))
            };
            match held {
                Held::Plain(value) => drop(config.set(name, value)),
                Held::Secret(place) => drop(config.set(name, read(place)?.reveal())),
            }
        }
        Ok(())
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|part| name.contains(part))
}

/// What the client library says of a property. Without the value if that is a secret, or may be: a name that the library
/// does not know may be that of a secret, mistyped.
pub(super) fn refused(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(known, detail, name, _)
            if is_secret(name) || *known != RDKafkaConfRes::RD_KAFKA_CONF_INVALID =>
        {
            let detail = detail.split(" for configuration").next();
            // It may quote the name, and must not quote the value.
            let detail =
                detail.filter(|detail| !detail.replace(&format!("\"{name}\""), "").contains('"'));
            format!("the property `{name}` is refused{}", Because(detail))
        }
        KafkaError::ClientConfig(_, detail, name, value) => {
            format!("the property `{name}` = \"{value}\" is refused: {detail}")
        }
        // Made of names, files and what does not go together; the values of secrets are never part of it.
        other => other.to_string(),
    }
}

struct Because<'a>(Option<&'a str>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}
