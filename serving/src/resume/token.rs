//! Resume tokens as text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use market::{Commit, EventTime, Generation};
use ring::hmac;
use xxhash_rust::xxh3::xxh3_64;

/// Writes and reads the resume tokens of a job.
///
/// A token names a position, not rows, and grants nothing: the request that shows it is checked like any other. It is
/// signed so that a token of another job, or a damaged one, is told from one of this job.
#[derive(Clone, Debug)]
pub struct ResumeTokens {
    key: hmac::Key,
    views: u32,
}

/// Up to which commit a client has the rows of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResumePosition {
    /// The start of the job that counted the commit.
    pub(crate) run: Generation,
    pub(crate) commit: Commit,
    /// The system time of the commit.
    pub(crate) at: EventTime,
    /// The hash of what was asked for.
    pub(crate) query: u32,
    /// The hash of what the rows of views depend on, besides commits.
    pub(crate) views: u32,
}

/// The first byte of a token: how the others are to be read.
const FORMAT: u8 = 1;
/// Format, run, commit, its time, query and views.
const POSITION_BYTES: usize = 1 + 8 + 8 + 8 + 4 + 4;
/// The bytes of the signature: enough that no accident makes a token.
const SIGNATURE_BYTES: usize = 10;

impl ResumeTokens {
    /// The characters of a token.
    pub(crate) const CHARS: usize = ((POSITION_BYTES + SIGNATURE_BYTES) * 4).div_ceil(3);

    /// The tokens of the job for which `secret` stands: the same after a restart that goes on with its state. `views`
    /// is a hash of what the rows of views depend on besides commits: the configuration, and the program.
    pub fn new(secret: &[u8], views: u64) -> ResumeTokens {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        ResumeTokens { key, views: folded(views) }
    }

    /// What the rows of views depend on now.
    pub(crate) fn views(&self) -> u32 {
        self.views
    }

    /// The token of a position in this run.
    pub(crate) fn encode(
        &self,
        run: Generation,
        (commit, at): (Commit, EventTime),
        query: u32,
    ) -> String {
        let mut bytes = Vec::with_capacity(POSITION_BYTES + SIGNATURE_BYTES);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&run.0.to_be_bytes());
        bytes.extend_from_slice(&commit.0.to_be_bytes());
        bytes.extend_from_slice(&at.0.to_be_bytes());
        bytes.extend_from_slice(&query.to_be_bytes());
        bytes.extend_from_slice(&self.views.to_be_bytes());
        let signature = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(&signature.as_ref()[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a token; none if it is not one of this job.
    pub(crate) fn decode(&self, token: &str) -> Option<ResumePosition> {
        if token.len() > 2 * Self::CHARS {
            return None; // not worth decoding
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (position, signature) = bytes.split_at_checked(POSITION_BYTES)?;
        if hmac::sign(&self.key, position).as_ref()[..SIGNATURE_BYTES] != *signature {
            return None;
        }
        let (format, rest) = position.split_first()?;
        let (run, rest) = rest.split_first_chunk()?;
        let (commit, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (query, rest) = rest.split_first_chunk()?;
        let (views, _) = rest.split_first_chunk()?;
        (*format == FORMAT).then(|| ResumePosition {
            run: Generation(u64::from_be_bytes(*run)),
            commit: Commit(u64::from_be_bytes(*commit)),
            at: EventTime(i64::from_be_bytes(*at)),
            query: u32::from_be_bytes(*query),
            views: u32::from_be_bytes(*views),
        })
    }
}

/// Half of a hash.
pub(crate) fn folded(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// One hash of several, in whatever order they come.
pub(crate) fn folded_all(hashes: impl Iterator<Item = u32>) -> u32 {
    let mut hashes: Vec<u32> = hashes.collect();
    hashes.sort_unstable();
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect();
    folded(xxh3_64(&bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_read_by_its_own_job_only(
            (run, commit, at, query, views) in any::<(u64, u64, i64, u32, u64)>(),
            (place, bit) in (0..43_usize, 0..8_u8),
        ) {
            let (own, other) = (ResumeTokens::new(b"one", views), ResumeTokens::new(b"two", views));
            let (commit, at) = (Commit(commit), EventTime(at));
            let token = own.encode(Generation(run), (commit, at), query);
            prop_assert_eq!(token.len(), ResumeTokens::CHARS);
            let (run, views) = (Generation(run), folded(views));
            let want = ResumePosition { run, commit, at, query, views };
            prop_assert_eq!(own.decode(&token), Some(want));
            prop_assert_eq!(other.decode(&token), None);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            bytes[place] ^= 1 << bit;
            prop_assert_eq!(own.decode(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        let tokens = ResumeTokens::new(b"one", 0);
        let token = tokens.encode(Generation(1), (Commit(2), EventTime(9)), 3);
        for text in ["", "7", "a b", &token[1..], &format!("{token}A"), &"A".repeat(10_000)] {
            assert_eq!(tokens.decode(text), None, "{text}");
        }
    }
}
