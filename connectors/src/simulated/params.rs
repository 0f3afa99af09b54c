//! The parameters of a venue.

use std::sync::Arc;

use market::{EventTime, Span};

use super::rng::Probability;
use super::walk::Listing;

/// What a venue is.
#[derive(Clone, Debug)]
pub struct VenueParams {
    /// Everything random follows from it.
    pub seed: u64,
    /// When the venue opens.
    pub start: EventTime,
    /// How many ticks it sends per second, in the mean; at least 1.
    pub ticks_per_second: u32,
    /// For how long before that it tells what has happened.
    pub backfill: Span,
    /// After so many ticks, besides those before it opens, it closes; none: never.
    pub ticks: Option<u64>,
    /// The share of its trades that is emitted late,
    pub late: Probability,
    /// by this much at most,
    pub late_by: Span,
    /// so many are corrected later,
    pub corrected: Probability,
    /// and so many of the others are cancelled later.
    pub cancelled: Probability,
    /// What is traded, the busiest first; not empty.
    pub listings: Arc<[Listing]>,
}
