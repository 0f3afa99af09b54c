//! The ingest API: the interface by which the server passes rows of clients to ingestion.
//!
//! It knows neither HTTP nor sources, so that the two sides know nothing of each other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use market::Commit;

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
}

/// The outcome of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostOutcome {
    /// The number of rows that were accepted.
    pub accepted: usize,
    /// The rows that were rejected; each is a dead letter.
    pub rejected: Vec<RowFault>,
    /// The commit that ends the round in which all rows are bound: every view that is complete at it shows
    /// them. None if that took too long to be waited for, or before the first round.
    pub commit: Option<Commit>,
    /// Whether the accepted rows survive a crash of the process and of the machine.
    pub durable: bool,
}

/// Why a row was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Its number, from 0.
    pub row: usize,
    /// The field that is wrong; empty if that is the row.
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
    #[error("{} of {of} rows are wrong, so none was taken", rows.len())]
    Refused {
        /// The rows that are wrong.
        rows: Vec<RowFault>,
        /// How many there are.
        of: usize,
    },
    /// The run is ending.
    #[error("the run is ending, and takes no more rows")]
    Closed,
}

/// The future outcome of a body.
pub type PostFuture<'a> = Pin<Box<dyn Future<Output = Result<PostOutcome, PostError>> + Send + 'a>>;

/// Takes rows that clients send into the input of a live run.
pub trait IngestApi: Send + Sync {
    /// Takes rows; done when they are bound and their round has ended. Waits for that no longer than a few seconds, and
    /// never for room: without room it fails at once.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
