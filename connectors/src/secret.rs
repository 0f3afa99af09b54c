//! Secrets, which are never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A text that is shown nowhere: neither it nor what holds it prints it.
///
/// ```
/// # use connectors::secret::Secret;
/// assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Holds a text.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text, to be handed to the library that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where a secret is. A configuration is shown and recorded, so it says this and never holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In this variable of the environment.
    Env(String),
    /// In this file, up to the ends of lines at its end.
    File(PathBuf),
}

impl SecretPlace {
    /// `{ env = "NAME" }` or `{ file = "PATH" }`; relative paths start at `folder`.
    pub fn of_table(table: &Map<String, Value>, folder: &Path) -> Option<SecretPlace> {
        let mut keys = table.iter();
        match (keys.next(), keys.next()) {
            (Some((key, Value::String(name))), None) if key == "env" => {
                Some(SecretPlace::Env(name.clone()))
            }
            (Some((key, Value::String(name))), None) if key == "file" => {
                Some(SecretPlace::File(folder.join(name)))
            }
            _ => None,
        }
    }

    /// The secret, read anew; an error says where it was looked for.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            SecretPlace::Env(name) => std::env::var(name)
                .map(Secret)
                .map_err(|_| format!("the environment has no variable {name} that is UTF-8")),
            SecretPlace::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(error) => Err(format!("cannot read {}: {error}", path.display())),
            },
        }
    }
}

/// Why a URL may hold a secret; none if it holds none. The URL itself is not part of the answer.
///
/// Whatever stands before `@`, after `?` or after `#` may be one, in any spelling.
pub fn secret_in_url(url: &str) -> Option<&'static str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || rest.to_ascii_lowercase().contains("%40") {
        return Some("something before `@`");
    }
    // A password with a `/` in it ends the authority early.
    if rest.contains('@') {
        return Some("an `@`");
    }
    rest.contains(['?', '#']).then_some("something after `?` or `#`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_may_hold_secrets() {
        for url in [
            "redis://:hunter2@h",
            "redis://hunter2@h",
            "redis://user%3Ahunter2@h",
            "redis://user:hunter2%40h:1/0",
            "redis://a:b/hunter2@h",
            "redis://h/?password=hunter2",
            "redis://h?hunter2",
            "redis://h/0#hunter2",
            "hunter2@h",
        ] {
            let why = secret_in_url(url).unwrap_or_else(|| panic!("{url} is taken"));
            assert!(!why.contains("hunter2"));
        }
        for url in ["redis://h", "redis://127.0.0.1:6379/3", "rediss://[::1]:6379", "unix:///tmp/a"]
        {
            assert_eq!(secret_in_url(url), None, "{url}");
        }
    }

    #[test]
    fn a_secret_is_read_from_a_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "hunter2\r\n").unwrap();
        let place = |text: &str| {
            let table: Value = serde_json::from_str(text).unwrap();
            SecretPlace::of_table(table.as_object().unwrap(), folder.path())
        };
        let secret = place(r#"{"file": "a"}"#).unwrap().read().unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret)");
        let error = place(r#"{"file": "none"}"#).unwrap().read().unwrap_err();
        assert!(error.contains("cannot read") && error.contains("none"), "{error}");
        let error = place(r#"{"env": "TICKWEAVE_NOT_SET"}"#).unwrap().read().unwrap_err();
        assert!(error.contains("TICKWEAVE_NOT_SET"), "{error}");
        assert_eq!(place(r#"{"env": "A", "file": "a"}"#), None);
        assert_eq!(place(r#"{"value": "A"}"#), None);
    }
}
