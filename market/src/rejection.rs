//! What is not accepted becomes a row: why a piece of input was rejected.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::printable::printable;

/// Why a piece of input did not become a record. Counters and dead letters are labelled with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RejectionReason {
    /// The line has not the shape of its format: broken quoting, no JSON object, not UTF-8, too long.
    Malformed,
    /// A field that the record needs is absent or empty.
    MissingField,
    /// The time is not one, or lies outside the years that the system computes with.
    BadTime,
    /// The price is not an exact number at the instrument's scale.
    BadPrice,
    /// The price is zero or negative and the instrument forbids that.
    PriceNotPositive,
    /// The size is not an exact number at the instrument's scale, or is negative without being signed.
    BadSize,
    /// Price × size is beyond what sums can hold.
    NotionalTooLarge,
    /// A side, kind, sequence or condition that the mapping does not know.
    BadField,
    /// The symbol is not mapped to an instrument.
    UnknownSymbol,
    /// The instrument could not be registered: name, collision or limit.
    BadInstrument,
    /// The correction would move a trade to another instrument.
    MovesInstrument,
    /// The event time is further ahead of the system's time than the skew bound, or past `not_after`.
    TimeAhead,
    /// The partition ended in the middle: the rest could not be read.
    Truncated,
    /// Of a sink: the other side refused a change of a view, or did not take it for too long.
    Undelivered,
}

/// One rejected piece of input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The kind of reason.
    pub reason: RejectionReason,
    /// The reason in words, naming field and value.
    pub detail: String,
    /// The input as received, cut to [`Rejection::RAW_MAX`] bytes.
    pub raw: String,
    /// Of a message of a server: how it was, as JSON, so that it can be looked up, decoded otherwise, or sent again.
    pub original: Option<Box<str>>,
}

impl RejectionReason {
    /// All reasons, in the order of their declaration.
    pub const ALL: [RejectionReason; 14] = [
        RejectionReason::Malformed,
        RejectionReason::MissingField,
        RejectionReason::BadTime,
        RejectionReason::BadPrice,
        RejectionReason::PriceNotPositive,
        RejectionReason::BadSize,
        RejectionReason::NotionalTooLarge,
        RejectionReason::BadField,
        RejectionReason::UnknownSymbol,
        RejectionReason::BadInstrument,
        RejectionReason::MovesInstrument,
        RejectionReason::TimeAhead,
        RejectionReason::Truncated,
        RejectionReason::Undelivered,
    ];

    /// The names of all.
    pub const NAMES: [&'static str; 14] = {
        let mut names = [""; 14];
        let mut at = 0;
        while at < names.len() {
            names[at] = RejectionReason::ALL[at].name();
            at += 1;
        }
        names
    };

    /// The name used in rows and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            RejectionReason::Malformed => "malformed",
            RejectionReason::MissingField => "missing_field",
            RejectionReason::BadTime => "bad_time",
            RejectionReason::BadPrice => "bad_price",
            RejectionReason::PriceNotPositive => "price_not_positive",
            RejectionReason::BadSize => "bad_size",
            RejectionReason::NotionalTooLarge => "notional_too_large",
            RejectionReason::BadField => "bad_field",
            RejectionReason::UnknownSymbol => "unknown_symbol",
            RejectionReason::BadInstrument => "bad_instrument",
            RejectionReason::MovesInstrument => "moves_instrument",
            RejectionReason::TimeAhead => "time_ahead",
            RejectionReason::Truncated => "truncated",
            RejectionReason::Undelivered => "undelivered",
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Rejection {
    /// How many bytes of the input are kept.
    pub const RAW_MAX: usize = 512;
    /// How many characters of the detail are kept.
    pub const DETAIL_MAX: usize = 1_024;

    /// A rejection of `raw`, which is cut and made printable, as is `detail`, which may quote input.
    pub fn new(reason: RejectionReason, detail: impl Into<String>, raw: &[u8]) -> Rejection {
        let cut = &raw[..raw.len().min(Rejection::RAW_MAX)];
        let raw = printable(&String::from_utf8_lossy(cut), Rejection::RAW_MAX);
        let detail = printable(&detail.into(), Rejection::DETAIL_MAX);
        Rejection { reason, detail, raw, original: None }
    }
}
