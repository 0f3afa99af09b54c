//! Writes copies, one after the other, as long as no other writer does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use bytes::Bytes;

use crate::index::generation_of;
use crate::store::{Put, Stored, Version};
use crate::{CopiedFile, CopyError, CopyIndex, CopyStore};

/// How often a copy is begun again because somebody else wrote the index meanwhile.
const TRIES: usize = 3;

/// Whose copies a writer writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOwner {
    /// Which state it is.
    pub state: String,
    /// The start of the job; later ones are larger.
    pub generation: u64,
    /// The last commit that the state had when this start took it up; none if it began with it.
    pub began_through: Option<u64>,
}

/// A file as a copy is to have it: the first bytes of what is open. It may grow meanwhile, but not change.
#[derive(Debug)]
pub struct FileToCopy {
    /// Its name in the folder.
    pub name: String,
    /// The file.
    pub file: File,
    /// How many bytes of it.
    pub bytes: u64,
    /// CRC-32 of these.
    pub checksum: u32,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// So many bytes of a file were uploaded.
    Uploaded(u64),
    /// All files are there; the index is next.
    Files,
    /// The index is there, so the copy is complete.
    Index,
    /// An old object is removed next.
    Removal,
}

/// A copy that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySummary {
    /// The last commit that it is sure to have.
    pub through: u64,
    /// How many files it has.
    pub files: usize,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many bytes of these had to be uploaded.
    pub uploaded: u64,
    /// Why old objects could not be removed, if so. It is tried again after the next copy.
    pub unremoved: Option<String>,
}

/// Writes the copies of a state into a place.
#[derive(Debug)]
pub struct CopyWriter {
    store: CopyStore,
    owner: StateOwner,
    /// The index as it was last read or written.
    current: Option<(CopyIndex, Version)>,
    /// Whether the store was seen to refuse what it must refuse.
    is_proven: bool,
}

impl CopyWriter {
    /// A writer into a place. Nothing is sent yet.
    pub fn new(store: CopyStore, owner: StateOwner) -> CopyWriter {
        CopyWriter { store, owner, current: None, is_proven: false }
    }

    /// Uploads what is not there yet, then replaces the index, then removes objects that it does not name. `on_step` says
    /// whether to go on; after [`CopyStep::Index`] the copy is complete whatever it says.
    ///
    /// # Errors
    /// The copy before stays. If [`CopyError::is_final`], it is another job's.
    pub fn copy(
        &mut self,
        through: u64,
        files: &mut [FileToCopy],
        on_step: &mut dyn FnMut(CopyStep) -> bool,
    ) -> Result<CopySummary, CopyError> {
        for _ in 0..TRIES {
            if self.current.is_none()
                && let Some((index, Stored { text, version })) = read(&self.store)?
            {
                self.admit(&index, through)?;
                self.prove(text)?;
                self.current = Some((index, version));
            }
            let mut present = self.store.objects()?;
            let (copied, uploaded) = self.upload(files, &present, on_step)?;
            if !on_step(CopyStep::Files) {
                return Err(CopyError::Stopped);
            }
            if !self.replace_index(through, copied.clone())? {
                continue;
            }
            let goes_on = on_step(CopyStep::Index);
            let named: BTreeSet<&String> = copied.iter().map(|file| &file.object).collect();
            present.retain(|object, _| !named.contains(object));
            let mut unremoved = None;
            for object in present.into_keys().filter(|object| self.may_remove(object)) {
                if !goes_on || !on_step(CopyStep::Removal) {
                    break;
                }
                if let Err(error) = self.store.remove(&object) {
                    unremoved = Some(error.to_string());
                    break;
                }
            }
            let bytes = copied.iter().map(|file| file.bytes).sum();
            return Ok(CopySummary { through, files: copied.len(), bytes, uploaded, unremoved });
        }
        Err(CopyError::Contended { url: self.url(), times: TRIES })
    }

    /// Whether an index may be replaced.
    fn admit(&self, index: &CopyIndex, through: u64) -> Result<(), CopyError> {
        let (url, own) = (self.url(), &self.owner);
        if index.state != own.state {
            let (found, own) = (index.state.clone(), own.state.clone());
            return Err(CopyError::OtherState { url, found, own });
        }
        if index.generation > own.generation {
            let (found, own) = (index.generation, own.generation);
            return Err(CopyError::Newer { url, found, own });
        }
        let known = match index.generation < own.generation {
            true => own.began_through,
            false => Some(through),
        };
        match known {
            Some(known) if known >= index.through => Ok(()),
            known => {
                let own = known.map_or_else(|| "none".to_owned(), |known| known.to_string());
                Err(CopyError::Ahead { url, found: index.through, own })
            }
        }
    }

    /// Uploads what is not there; says where all files are, and how many bytes were sent.
    fn upload(
        &self,
        files: &mut [FileToCopy],
        present: &BTreeMap<String, u64>,
        on_step: &mut dyn FnMut(CopyStep) -> bool,
    ) -> Result<(Vec<CopiedFile>, u64), CopyError> {
        let (mut copied, mut uploaded) = (Vec::new(), 0);
        for FileToCopy { name, file, bytes, checksum } in files {
            let own = CopiedFile::of(self.owner.generation, name, *bytes, *checksum);
            let known = self.current.iter().flat_map(|(index, _)| &index.files);
            let same = |known: &&CopiedFile| {
                (&known.name, known.bytes, known.checksum) == (&own.name, own.bytes, own.checksum)
            };
            // What earlier starts uploaded counts only if the index names it: they may be removing the rest.
            let there = known.filter(same).chain([&own]);
            let there =
                there.into_iter().find(|file| present.get(&file.object) == Some(&file.bytes));
            if let Some(there) = there {
                copied.push(there.clone());
                continue;
            }
            let what = (&*own.object, &**name);
            self.store.upload(what, (file, *bytes, *checksum), &mut |bytes| {
                uploaded += bytes;
                on_step(CopyStep::Uploaded(bytes))
            })?;
            copied.push(own);
        }
        Ok((copied, uploaded))
    }

    /// Whether the index is now that of these files; if not, it was changed by somebody, and is to be read again.
    fn replace_index(&mut self, through: u64, files: Vec<CopiedFile>) -> Result<bool, CopyError> {
        let sequence = self.current.as_ref().map_or(0, |(index, _)| index.sequence + 1);
        let (state, generation) = (self.owner.state.clone(), self.owner.generation);
        let index = CopyIndex::new(state, generation, sequence, (through, files));
        let text = Bytes::from(index.encode().map_err(|error| CopyError::Index {
            url: self.url(),
            problem: format!("it cannot be encoded: {error}"),
        })?);
        let was = self.current.take().map(|(_, version)| version);
        match self.store.write_index(text.clone(), was.as_ref())? {
            Put::Done(version) => self.current = Some((index, version)),
            // An answer that was lost: it is there.
            Put::Conflict => match self.store.read_index()? {
                Some(stored) if stored.text == text => self.current = Some((index, stored.version)),
                _ => return Ok(false),
            },
        }
        self.prove(text)?;
        Ok(true)
    }

    /// Tries once to make an index where one is, with the text that it has. A store that takes it ignores conditions.
    fn prove(&mut self, text: Bytes) -> Result<(), CopyError> {
        if !self.is_proven && matches!(self.store.write_index(text, None)?, Put::Done(_)) {
            return Err(CopyError::NoConditionalPut { url: self.url() });
        }
        self.is_proven = true;
        Ok(())
    }

    /// Not what a later start uploads for an index that is not there yet, nor what no writer uploaded.
    fn may_remove(&self, object: &str) -> bool {
        generation_of(object).is_some_and(|generation| generation <= self.owner.generation)
    }

    fn url(&self) -> String {
        self.store.url().to_owned()
    }
}

/// The index of a place; none if there is none.
pub(crate) fn read(store: &CopyStore) -> Result<Option<(CopyIndex, Stored)>, CopyError> {
    let Some(stored) = store.read_index()? else { return Ok(None) };
    let index = CopyIndex::decode(&stored.text)
        .map_err(|problem| CopyError::Index { url: store.url().to_owned(), problem })?;
    Ok(Some((index, stored)))
}
