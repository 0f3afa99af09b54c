//! What is not accepted becomes a row: why a piece of input was refused.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a piece of input did not become a record. Counters and dead letters are labelled with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefusalReason {
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
}

/// One refused piece of input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: RefusalReason,
    /// The reason in words, naming field and value.
    pub detail: String,
    /// The input as received, cut to [`Refusal::RAW_MAX`] bytes.
    pub raw: String,
}

impl RefusalReason {
    /// All reasons, in the order of their declaration.
    pub const ALL: [RefusalReason; 13] = [
        RefusalReason::Malformed,
        RefusalReason::MissingField,
        RefusalReason::BadTime,
        RefusalReason::BadPrice,
        RefusalReason::PriceNotPositive,
        RefusalReason::BadSize,
        RefusalReason::NotionalTooLarge,
        RefusalReason::BadField,
        RefusalReason::UnknownSymbol,
        RefusalReason::BadInstrument,
        RefusalReason::MovesInstrument,
        RefusalReason::TimeAhead,
        RefusalReason::Truncated,
    ];

    /// The name used in rows and metrics.
    pub fn name(self) -> &'static str {
        match self {
            RefusalReason::Malformed => "malformed",
            RefusalReason::MissingField => "missing_field",
            RefusalReason::BadTime => "bad_time",
            RefusalReason::BadPrice => "bad_price",
            RefusalReason::PriceNotPositive => "price_not_positive",
            RefusalReason::BadSize => "bad_size",
            RefusalReason::NotionalTooLarge => "notional_too_large",
            RefusalReason::BadField => "bad_field",
            RefusalReason::UnknownSymbol => "unknown_symbol",
            RefusalReason::BadInstrument => "bad_instrument",
            RefusalReason::MovesInstrument => "moves_instrument",
            RefusalReason::TimeAhead => "time_ahead",
            RefusalReason::Truncated => "truncated",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Refusal {
    /// How many bytes of the input are kept.
    pub const RAW_MAX: usize = 512;

    /// A refusal of `raw`, which is cut and made printable.
    pub fn new(reason: RefusalReason, detail: impl Into<String>, raw: &[u8]) -> Refusal {
        let cut = &raw[..raw.len().min(Refusal::RAW_MAX)];
        let raw = String::from_utf8_lossy(cut).replace(|c: char| c.is_control(), "\u{fffd}");
        Refusal { reason, detail: detail.into(), raw }
    }
}
