//! Reads copies.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use crate::writer::read;
use crate::{CopyError, CopyIndex, CopyStore};

/// How often it is begun again because a writer replaced the copy meanwhile.
const TRIES: usize = 5;

/// A copy that was fetched: every file has the length and the checksum that the index names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedCopy {
    /// What it is.
    pub index: CopyIndex,
}

/// The index of the copy in a place; none if there is none.
///
/// # Errors
/// If the store cannot be read, or the index is not one.
pub fn read_index(store: &CopyStore) -> Result<Option<CopyIndex>, CopyError> {
    Ok(read(store)?.map(|(index, _)| index))
}

/// Downloads what the index names into a folder, which is made if it does not exist, and holds every file to its length and
/// checksum. A job may go on to write copies meanwhile.
///
/// # Errors
/// If there is no copy, or it is not whole; then files may be left in the folder.
pub fn fetch(store: &CopyStore, to: &Path) -> Result<FetchedCopy, CopyError> {
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| CopyError::Io { what, path, source }
    };
    let url = || store.url().to_owned();
    fs::create_dir_all(to).map_err(io("create", to))?;
    let mut there: BTreeMap<String, (u64, u32)> = BTreeMap::new();
    let mut gone = None;
    for _ in 0..TRIES {
        let index = read_index(store)?.ok_or_else(|| CopyError::NoCopy { url: url() })?;
        // The index is as it was, so nobody removed the object because of a new one.
        if let Some((object, sequence)) = gone.take()
            && sequence == (index.generation, index.sequence)
        {
            let problem = "the index names it, and it is not there".to_owned();
            return Err(CopyError::Damaged { object, url: url(), problem });
        }
        for name in there.keys().filter(|name| !index.files.iter().any(|file| file.name == **name))
        {
            let path = to.join(name);
            fs::remove_file(&path).map_err(io("remove", &path))?;
        }
        there.retain(|name, _| index.files.iter().any(|file| file.name == *name));
        for file in &index.files {
            if there.get(&file.name) == Some(&(file.bytes, file.checksum)) {
                continue;
            }
            let path = to.join(&file.name);
            let mut copied = File::create(&path).map_err(io("create", &path))?;
            there.insert(file.name.clone(), (0, 0));
            let Some((bytes, checksum)) = store.download(&file.object, (&mut copied, &path))?
            else {
                gone = Some((file.object.clone(), (index.generation, index.sequence)));
                break;
            };
            if (bytes, checksum) != (file.bytes, file.checksum) {
                let problem = format!(
                    "it has {bytes} bytes with checksum {checksum:08x}, and the index says {} with {:08x}",
                    file.bytes, file.checksum
                );
                return Err(CopyError::Damaged {
                    object: file.object.clone(),
                    url: url(),
                    problem,
                });
            }
            copied.sync_all().map_err(io("make durable", &path))?;
            there.insert(file.name.clone(), (bytes, checksum));
        }
        if gone.is_none() {
            let folder = File::open(to).and_then(|folder| folder.sync_all());
            folder.map_err(io("make durable", to))?;
            return Ok(FetchedCopy { index });
        }
    }
    Err(CopyError::Contended { url: url(), times: TRIES })
}
