//! Copies of a folder's files in an object store, so that another machine can go on when the disk is lost.
//!
//! ```text
//! PREFIX/index.json                                     which files the copy has, and in which object each is
//! PREFIX/objects/GENERATION/NAME.BYTES.CHECKSUM         a file, as the writer of that generation found it
//! ```
//! An object is never changed: its name holds length and checksum. So the index alone decides what the copy is, and a
//! writer that ends anywhere leaves the copy before. The order is: objects, index, removal of what no index names.
//!
//! **Fencing.** The index is only replaced if it is as it was read (`If-Match`), or made if there is none
//! (`If-None-Match`). Of two writers one notices. A writer goes on with the index of an earlier generation of its own
//! state that is not ahead of it; it refuses all others ([`CopyError::is_final`]) and changes nothing. It removes objects
//! of its own and earlier generations only, and names those of earlier ones only if the index that it replaces does. So
//! one that was overtaken cannot remove what the newer one names.
//!
//! Nothing here knows what the files are. All types of `object_store` stay in `store`.

mod error;
mod fetch;
mod index;
mod location;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use error::CopyError;
pub use fetch::{FetchedCopy, fetch, read_index};
pub use index::{CopiedFile, CopyIndex};
pub use location::{StoreOptions, is_url};
pub use store::CopyStore;
pub use writer::{CopyStep, CopySummary, CopyWriter, FileToCopy, StateOwner};
