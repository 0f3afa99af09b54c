//! The index of a copy: which files it has.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of the form of the index.
const VERSION: u32 = 1;

/// Which files a copy has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyIndex {
    /// The version of this form.
    pub version: u32,
    /// Which state it is a copy of; every directory of states has an id of its own.
    pub state: String,
    /// The start of the job that wrote it. Later starts have larger ones.
    pub generation: u64,
    /// How many copies were written before.
    pub sequence: u64,
    /// The last commit that the copy is sure to have.
    pub through: u64,
    /// The files.
    pub files: Vec<CopiedFile>,
}

/// A file of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// Its name in the folder.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// CRC-32 of its bytes.
    pub checksum: u32,
    /// The object that has them, below the prefix.
    pub object: String,
}

/// What is written: the index as it is, and the checksum of its bytes.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    checksum: u32,
    #[serde(borrow)]
    copy: &'a RawValue,
}

impl CopyIndex {
    /// An index of files.
    pub(crate) fn new(
        state: String,
        generation: u64,
        sequence: u64,
        (through, files): (u64, Vec<CopiedFile>),
    ) -> CopyIndex {
        CopyIndex { version: VERSION, state, generation, sequence, through, files }
    }

    /// As it is written.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let copy = serde_json::to_string(self)?;
        let checksum = crc32fast::hash(copy.as_bytes());
        serde_json::to_vec(&Sealed { checksum, copy: &RawValue::from_string(copy)? })
    }

    /// What was written; an error says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<CopyIndex, String> {
        let sealed: Sealed<'_> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if crc32fast::hash(sealed.copy.get().as_bytes()) != sealed.checksum {
            return Err("its checksum does not fit".to_owned());
        }
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let parse = |error: serde_json::Error| error.to_string();
        let Version { version } = serde_json::from_str(sealed.copy.get()).map_err(parse)?;
        if version != VERSION {
            return Err(format!("it is of version {version}, and this program reads {VERSION}"));
        }
        let index: CopyIndex = serde_json::from_str(sealed.copy.get()).map_err(parse)?;
        match index.files.iter().find(|file| !is_plain(&file.name)) {
            Some(file) => Err(format!("it names a file `{}`", file.name.escape_debug())),
            None => Ok(index),
        }
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Whether a name stays within a folder.
fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
}

const OBJECTS: &str = "objects";

impl CopiedFile {
    /// A file that a writer of this generation uploads.
    pub(crate) fn of(generation: u64, name: &str, bytes: u64, checksum: u32) -> CopiedFile {
        let object = format!("{OBJECTS}/{generation:020}/{name}.{bytes}.{checksum:08x}");
        CopiedFile { name: name.to_owned(), bytes, checksum, object }
    }
}

/// The generation whose writer uploaded an object; none if no writer did.
pub(crate) fn generation_of(object: &str) -> Option<u64> {
    let (generation, name) = object.strip_prefix(OBJECTS)?.strip_prefix('/')?.split_once('/')?;
    (!name.contains('/')).then(|| generation.parse().ok()).flatten()
}
