//! Why a copy cannot be written or read.

use std::path::PathBuf;

/// Why a copy cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The place of a copy is not one.
    #[error(
        "`{url}` names no place for copies ({problem}): say `s3://BUCKET/PREFIX` or `file:///FOLDER`"
    )]
    Url {
        /// What was named.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What is known of the store does not fit.
    #[error("the store of {url} cannot be used: {problem}")]
    Options {
        /// The place.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The store did not do what it was asked.
    #[error("cannot {what} {object} of {url}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// With which object.
        object: String,
        /// The place.
        url: String,
        /// What the store or the way to it answered.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A local file.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// Two writers cannot be kept apart.
    #[error(
        "the store of {url} does not replace an object only if it is as it was read (a conditional PUT with `If-Match` \
         and `If-None-Match`), so two jobs could overwrite each other there: name a store that does"
    )]
    NoConditionalPut {
        /// The place.
        url: String,
    },
    /// The index is not what was written.
    #[error("the index of {url} cannot be read: {problem}")]
    Index {
        /// The place.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing.
    #[error("there is no copy in {url}: it has no index.json")]
    NoCopy {
        /// The place.
        url: String,
    },
    /// An object is not what the index says.
    #[error("{object} of {url} is damaged: {problem}")]
    Damaged {
        /// Which object.
        object: String,
        /// The place.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The copy is of another job.
    #[error(
        "{url} holds the copy of another state ({found}; this one is {own}), which stays as it is: name another prefix, or \
         import that copy and go on with it"
    )]
    OtherState {
        /// The place.
        url: String,
        /// Of which state the copy is.
        found: String,
        /// Which state is to be copied.
        own: String,
    },
    /// A later start of the same job copies to there.
    #[error(
        "a later start of this job copies to {url} (generation {found}; this one is {own}), so this one copies no more: end \
         one of them, or name another prefix"
    )]
    Newer {
        /// The place.
        url: String,
        /// The generation of the index.
        found: u64,
        /// The generation of the writer.
        own: u64,
    },
    /// The copy knows more.
    #[error(
        "the copy in {url} goes through commit {found}, and this state through {own}: it is an older one, and the copy stays \
         as it is; import the copy, or name another prefix"
    )]
    Ahead {
        /// The place.
        url: String,
        /// How far the copy goes.
        found: u64,
        /// How far the state went when it was taken up.
        own: String,
    },
    /// Others wrote the index again and again.
    #[error("the index of {url} was changed by others {times} times while it was to be replaced")]
    Contended {
        /// The place.
        url: String,
        /// How often it was tried.
        times: usize,
    },
    /// A file changed while it was read.
    #[error("{name} is not as it was when its checksum was taken")]
    Changed {
        /// Which file.
        name: String,
    },
    /// It was asked to stop.
    #[error("the copy was given up, since the process ends")]
    Stopped,
}

impl CopyError {
    /// Whether trying again changes nothing, since the place is another job's or cannot keep two apart.
    pub fn is_final(&self) -> bool {
        use CopyError::{Ahead, Newer, NoConditionalPut, Options, OtherState, Url};
        matches!(
            self,
            Ahead { .. }
                | Newer { .. }
                | NoConditionalPut { .. }
                | Options { .. }
                | OtherState { .. }
                | Url { .. }
        )
    }
}
