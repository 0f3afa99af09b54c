//! The prints of Binance's futures that are no trades of the market.
//!
//! Frames of trades of USD-M and COIN-M futures carry `"X"`: `MARKET`, or `INSURANCE_FUND`, `ADL`
//! (auto-deleveraging) and `NA`. Binance's own klines and aggregated trades leave out all but `MARKET`
//! ([aggregate trade streams]: "Only market trades will be aggregated, which means the insurance fund
//! trades and ADL trades won't be aggregated"), and so do we unless configured otherwise: a print far from the
//! market would be a high or low that nobody could trade at.
//!
//! Such a print stays a record with an id, which may be corrected or conflict; it only updates nothing.
//!
//! [aggregate trade streams]: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Aggregate-Trade-Streams

use market::Updates;

/// What a trade updates by its `X`. Spot writes `M` in this place, which Binance says to ignore.
pub(super) fn market_only(x: &str) -> Result<Updates, &'static str> {
    let is_market = x == "MARKET" || ["true", "false"].iter().any(|m| m.eq_ignore_ascii_case(x));
    Ok(if is_market { Updates::ALL } else { Updates::NONE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_market_prints_update() {
        for (x, want) in [
            ("MARKET", Updates::ALL),
            ("True", Updates::ALL),
            ("INSURANCE_FUND", Updates::NONE),
            ("ADL", Updates::NONE),
            ("NA", Updates::NONE),
        ] {
            assert_eq!(market_only(x), Ok(want), "{x}");
        }
    }
}
