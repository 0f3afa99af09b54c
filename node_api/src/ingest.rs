//! The ingest API: the interface by which the server passes rows of clients to ingestion.
//!
//! It knows neither HTTP nor sources, so that the two sides know nothing of each other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use market::Commit;

use crate::row_limits::RowLimits;

/// How a body holds rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostedFormat {
    /// A JSON array of objects.
    Json,
    /// A JSON object on each line.
    Ndjson,
    /// Columns under a header.
    Csv,
}

/// The most faults of a body that are listed (a row may have several), and the most characters of the name of a field
/// that are.
pub const FAULTS_MAX: usize = 1_000;
/// See [`FAULTS_MAX`].
pub const FIELD_MAX: usize = 64;

/// What of the rows that were taken is there after the process has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing.
    #[default]
    Nothing,
    /// All that was bound, if the machine did not crash: the disk gets it in its own time.
    Process,
    /// All that was told as durable.
    Disk,
}

impl Keeping {
    /// `nothing`, `process` or `disk`.
    pub fn name(self) -> &'static str {
        match self {
            Keeping::Nothing => "nothing",
            Keeping::Process => "process",
            Keeping::Disk => "disk",
        }
    }
}

/// What makes a request that comes again the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostKey {
    /// The name that the client has given to the request.
    pub key: String,
    /// A hash of all that the request says.
    pub request_hash: u128,
}

/// The body of a request, and how to read it.
#[derive(Clone, Debug)]
pub struct PostedBody {
    /// How the body holds rows.
    pub form: PostedFormat,
    /// The rows.
    pub body: Vec<u8>,
    /// The type of rows without a type; one of [`IngestApi::row_types`].
    pub row_type: Option<String>,
    /// Whether all rows are rejected if one is.
    pub atomic: bool,
    /// What the same request has when it comes again; none: it is another one.
    pub key: Option<PostKey>,
    /// How long to wait until the commit of the rows is durable, when they are bound.
    pub durable_within: Duration,
    /// Which rows the client may send.
    pub limits: Arc<RowLimits>,
}

/// The outcome of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostOutcome {
    /// The number of rows that were accepted.
    pub accepted: usize,
    /// The number of rows that were rejected; each is a dead letter.
    pub rejected: usize,
    /// What is wrong with them, in the order of rows: the first [`FAULTS_MAX`] faults.
    pub faults: Vec<RowFault>,
    /// The commit that ends the round in which all rows are bound: every view that is complete at it shows
    /// them. None if that took too long to be waited for, or before the first round.
    pub token: Option<Token>,
    /// Whether the disk is known to have that commit.
    pub durable: bool,
    /// Whether this is the outcome of an earlier request with the same key, and nothing was taken again.
    pub is_replayed: bool,
}

/// Why a row was rejected, or one of several reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Its number, from 0.
    pub row: usize,
    /// The field that is wrong, at most [`FIELD_MAX`] characters of it; empty if that is the row.
    pub field: String,
    /// The kind of reason, as in dead letters.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// Why no row was accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Not now; the same may be sent again later.
    #[error("{0}")]
    Busy(String),
    /// The body does not hold rows of its form.
    #[error("{0}")]
    Unreadable(String),
    /// The body holds too many rows.
    #[error("the body has more than {limit} rows, which is what `http.body_rows` allows")]
    TooManyRows {
        /// How many it may hold.
        limit: usize,
    },
    /// All or nothing was asked for, and these rows are wrong.
    #[error("{rejected} of {of} rows are wrong, so none was taken")]
    Refused {
        /// The first [`FAULTS_MAX`] faults of rows that are wrong.
        rows: Vec<RowFault>,
        /// How many are wrong.
        rejected: usize,
        /// How many there are.
        of: usize,
    },
    /// A row is outside of the limits of the client's key, so none was taken.
    #[error("row {row} {why}, and the key is limited to some; no row was taken")]
    Forbidden {
        /// Its number, from 0.
        row: usize,
        /// Why, in words.
        why: &'static str,
    },
    /// The first request with this key is being answered.
    #[error("a request with this `Idempotency-Key` is being answered")]
    InProgress,
    /// The key was used for another request.
    #[error("this `Idempotency-Key` came with other rows before")]
    OtherRequest,
    /// The run is ending.
    #[error("the run is ending, and takes no more rows")]
    Closed,
}

/// The future outcome of a body.
pub type PostFuture<'a> = Pin<Box<dyn Future<Output = Result<PostOutcome, PostError>> + Send + 'a>>;

/// Takes rows that clients send into the input of a live run.
pub trait IngestApi: Send + Sync {
    /// Takes rows; done when they are bound and their round has ended, and then durable or too late for that. Waits for
    /// a commit no longer than a few seconds, and never for room: without room it fails at once.
    ///
    /// A request whose key was used for the same one is not taken again, and gets the outcome of the first. Keys survive
    /// with the rows, and within bounds.
    ///
    /// Continues if the future is dropped.
    fn take(&self, sent: PostedBody) -> PostFuture<'_>;

    /// The types that rows may be of.
    fn row_types(&self) -> Vec<&'static str>;

    /// Bytes of a body at most.
    fn body_bytes(&self) -> usize;
}

/// A commit of one run, as clients carry it: text of which they need to know nothing.
///
/// ```
/// use node_api::ingest::Token;
/// use market::Commit;
/// let token = Token { run: 0xbeef, commit: Commit(17) };
/// assert_eq!(token.to_string(), "beef-17");
/// assert_eq!("beef-17".parse(), Ok(token));
/// assert!("17".parse::<Token>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Which run.
    pub run: u64,
    /// Which of its commits.
    pub commit: Commit,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.run, self.commit)
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Token, ()> {
        let (run, commit) = text.split_once('-').ok_or(())?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits(run) || !digits(commit) {
            return Err(());
        }
        let run = u64::from_str_radix(run, 16).map_err(|_| ())?;
        Ok(Token { run, commit: Commit(commit.parse().map_err(|_| ())?) })
    }
}
