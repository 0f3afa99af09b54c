//! The file of API keys. It holds hashes of secrets, never a secret.
//!
//! A change writes a new file beside it and renames that, so whoever reads sees all keys of before or all of after. Two
//! changes at a time wait for each other, by a lock of the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use connectors::FileKey;
use dataflows::ingest::now;
use market::EventTime;
use node_api::{ApiKey, KeySecret, KeySet, KeySetError, PresentedKey, RowLimits, Scopes};
use ring::rand::{SecureRandom, SystemRandom};

use super::entry::{Entries, Entry, EntryError};

/// The most bytes of the file.
const BYTES_MAX: u64 = 64 << 20;

/// A file of keys.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// What is chosen of a key that is made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Which rows it may see and send.
    pub limits: RowLimits,
    /// From when on it is good for nothing.
    pub expires: Option<EventTime>,
}

/// Which contents a file has: it changes when they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(FileKey, u64, Option<SystemTime>);

/// What is wrong with a file of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not there.
    #[error(
        "there is no file of keys at {path}; make one with a first key: tickweave keys create --file {path} \
         --name NAME --scopes read"
    )]
    Absent {
        /// Where it should be.
        path: String,
    },
    /// It holds no key.
    #[error(
        "{path} holds no key, so nobody could ask; make one: tickweave keys create --file {path} --name NAME \
         --scopes read"
    )]
    Empty {
        /// The file.
        path: String,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be {what}")]
    Io {
        /// The file.
        path: String,
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// It is not TOML of keys. The text is not shown, lest a secret is in it.
    #[error("{path} is no TOML of keys: line {line}: {problem}")]
    Text {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A key is wrong.
    #[error("{path}: key {number}")]
    Entry {
        /// The file.
        path: String,
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        source: EntryError,
    },
    /// The keys cannot be together.
    #[error("{path}: {source}")]
    Set {
        /// The file.
        path: String,
        /// Why.
        source: KeySetError,
    },
    /// No key has the id.
    #[error("{path} holds no key with the id `{id}` (possible: {possible})")]
    Unknown {
        /// The file.
        path: String,
        /// The id.
        id: String,
        /// The ids that there are.
        possible: String,
    },
    /// The system gives no random bits.
    #[error("the system gives no random bits for a key")]
    NoRandom,
}

impl KeyFile {
    /// The file at `path`, which need not be there.
    pub fn at(path: &Path) -> KeyFile {
        KeyFile { path: path.to_owned() }
    }

    /// Its keys, in its order.
    pub fn keys(&self) -> Result<Vec<ApiKey>, KeyFileError> {
        self.parsed(&self.text()?)
    }

    /// Its keys, as a node looks them up; none is an error where a node `starts`.
    pub fn key_set(&self, starts: bool) -> Result<KeySet, KeyFileError> {
        let keys = KeySet::new(self.keys()?);
        let keys = keys.map_err(|source| KeyFileError::Set { path: self.shown(), source })?;
        match keys.is_empty() && starts {
            true => Err(KeyFileError::Empty { path: self.shown() }),
            false => Ok(keys),
        }
    }

    /// Makes a key, and the file if it is not there. What it gives is the only place of the secret.
    pub fn create(&self, new: NewKey) -> Result<(ApiKey, PresentedKey), KeyFileError> {
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        let random = SystemRandom::new();
        random.fill(&mut id).map_err(|_| KeyFileError::NoRandom)?;
        random.fill(&mut secret).map_err(|_| KeyFileError::NoRandom)?;
        let presented = PresentedKey::new(id, KeySecret::of(secret));
        let NewKey { name, scopes, limits, expires } = new;
        let key = ApiKey {
            id: presented.id().to_owned(),
            name,
            hash: presented.secret().hash(),
            scopes,
            limits,
            created: now(),
            expires,
        };
        self.change(|keys| {
            keys.push(key.clone());
            Ok(())
        })?;
        Ok((key, presented))
    }

    /// Removes the key of this id, and gives it.
    pub fn revoke(&self, id: &str) -> Result<ApiKey, KeyFileError> {
        let mut revoked = None;
        self.change(|keys| {
            let at = keys.iter().position(|key| key.id == id).ok_or_else(|| {
                let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
                let (id, possible) = (id.to_owned(), ids.join(", "));
                KeyFileError::Unknown { path: self.shown(), id, possible }
            })?;
            revoked = Some(keys.remove(at));
            Ok(())
        })?;
        revoked.ok_or_else(|| KeyFileError::Absent { path: self.shown() })
    }

    /// Where it is, as people wrote it.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn version(&self) -> io::Result<Version> {
        let about = fs::metadata(&self.path)?;
        Ok(Version(FileKey::of_open(&about), about.size(), about.modified().ok()))
    }

    fn text(&self) -> Result<String, KeyFileError> {
        let file = File::open(&self.path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => KeyFileError::Absent { path: self.shown() },
            _ => self.io("read", error),
        })?;
        let mut text = String::new();
        let read = file.take(BYTES_MAX).read_to_string(&mut text);
        read.map(|_| text).map_err(|error| self.io("read", error))
    }

    fn parsed(&self, text: &str) -> Result<Vec<ApiKey>, KeyFileError> {
        let entries: Entries = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            KeyFileError::Text { path: self.shown(), line, problem: error.message().to_owned() }
        })?;
        let keys = entries.keys.into_iter().enumerate().map(|(at, entry)| {
            let path = self.shown();
            entry.key().map_err(|source| KeyFileError::Entry { path, number: at + 1, source })
        });
        keys.collect()
    }

    /// Replaces the file by one with changed keys.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<ApiKey>) -> Result<(), KeyFileError>,
    ) -> Result<(), KeyFileError> {
        let _locked = self.locked().map_err(|error| self.io("locked", error))?;
        let mut keys = self.keys()?;
        change(&mut keys)?;
        // What is written is read first: a name that is too long is refused, and not found at the next start.
        let entries = Entries { keys: keys.iter().map(Entry::of).collect() };
        let text = toml::to_string(&entries)
            .map_err(|error| self.io("written", io::Error::other(error.to_string())))?;
        let set = KeySet::new(self.parsed(&text)?);
        set.map_err(|source| KeyFileError::Set { path: self.shown(), source })?;
        self.replace(&text).map_err(|error| self.io("written", error))
    }

    /// The file as it is now, locked; made if it is not there.
    fn locked(&self) -> io::Result<File> {
        loop {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).mode(0o600).open(&self.path)?;
            file.lock()?;
            // Another change may have replaced it meanwhile.
            if FileKey::of_open(&file.metadata()?) == FileKey::of(&self.path) {
                return Ok(file);
            }
        }
    }

    /// Puts a new file in its place, with the rights that it has.
    fn replace(&self, text: &str) -> io::Result<()> {
        let path = fs::canonicalize(&self.path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
        let written = (|| {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.set_permissions(fs::metadata(&path)?.permissions())?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn io(&self, what: &'static str, source: io::Error) -> KeyFileError {
        KeyFileError::Io { path: self.shown(), what, source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn new(name: &str) -> NewKey {
        let limits = RowLimits { symbols: Some(vec!["a:B".to_owned()]), ..RowLimits::default() };
        let scopes = "read,ingest".parse().unwrap();
        NewKey { name: name.to_owned(), scopes, limits, expires: Some(EventTime(1_000_000_000)) }
    }

    #[test]
    fn keys_are_made_listed_and_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let file = KeyFile::at(&path);
        let absent = file.keys().unwrap_err().to_string();
        assert!(absent.contains("tickweave keys create --file"), "{absent}");
        let (one, presented) = file.create(new("one")).unwrap();
        let (two, _) = file.create(new("two")).unwrap();
        assert_eq!(file.keys().unwrap(), [one.clone(), two.clone()]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&presented.secret().text()) && text.contains(&one.hash.hex()));
        let set = file.key_set(true).unwrap();
        assert_eq!(*set.find(&presented, EventTime(0)).unwrap(), one);

        assert_eq!(file.revoke(&one.id).unwrap(), one);
        let unknown = file.revoke(&one.id).unwrap_err().to_string();
        assert!(unknown.contains(&one.id) && unknown.contains(&two.id), "{unknown}");
        file.revoke(&two.id).unwrap();
        assert!(matches!(file.key_set(true), Err(KeyFileError::Empty { .. })));
        assert!(file.key_set(false).unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside it");
    }

    #[test]
    fn changes_at_the_same_time_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::at(&folder.path().join("keys.toml"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let file = &file;
                scope.spawn(move || {
                    for number in 0..5 {
                        file.create(new(&format!("{thread}-{number}"))).unwrap();
                    }
                });
            }
        });
        let mut names: Vec<String> = file.keys().unwrap().into_iter().map(|key| key.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 20);
    }

    #[test]
    fn what_is_wrong_is_said_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let file = KeyFile::at(&path);
        file.create(new("one")).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let hash = file.keys().unwrap()[0].hash.hex();
        for (text, says) in [
            (good.replace("read", "write"), "`write` is not a scope"),
            (good.replace(&hash, "5ecret"), "not 64 hexadecimal digits"),
            (good.replace("name = ", "nmae = "), "line"),
            (good.replace("\"one\"", "\"\""), "its name"),
            (good.replace("1970", "soon"), "is no time"),
            (format!("{good}{good}"), "two keys have the id"),
            ("secret = \"5ecret\"".to_owned(), "line 1"),
        ] {
            fs::write(&path, &text).unwrap();
            let error = format!("{:#}", anyhow::Error::new(file.key_set(true).unwrap_err()));
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("5ecret"), "{error}");
        }
        fs::write(&path, &good).unwrap();
        let long = file.create(new(&"x".repeat(65))).unwrap_err();
        assert!(matches!(long, KeyFileError::Entry { .. }), "{long}");
        assert_eq!(fs::read_to_string(&path).unwrap(), good);
    }
}
