//! The API keys of a node: the file that holds them, and what follows its changes.

mod entry;
mod file;
mod watch;

pub use file::{KeyFile, KeyFileError, NewKey};
pub use watch::watched;
