//! A million trades of one perpetual, without ids and with signed sizes.

use super::bars::{assert_same, expected, unions};
use super::data::shared;
use super::replay::assert_replay;

const MINUTE: i64 = 60_000;

/// Bars of 1 and 5 minutes as expected; of 4 hours and a day as unions of the expected minutes.
#[test]
fn a_million_trades_of_bitmex() {
    let Some(shared) = shared("a_million_trades_of_bitmex") else { return };
    let minutes = expected(&shared, "bitmex_xbtusd_60s", "1m", "bitmex");
    let mut wanted = expected(&shared, "bitmex_xbtusd_300s", "5m", "bitmex");
    // What two files agree on, the making of unions is held to.
    assert_same(&unions(&minutes, "5m", 5 * MINUTE), &wanted, "unions");
    wanted.extend(unions(&minutes, "4h", 240 * MINUTE));
    wanted.extend(unions(&minutes, "1d", 1_440 * MINUTE));
    wanted.extend(minutes);

    let trades = shared.join("bitmex_xbtusd_1m/Bitmex_XBTUSD_1M.csv.gz");
    let mut arguments = vec![trades.into_os_string()];
    let how = "--instrument bitmex:XBTUSD --time timestamp --time-unit ms --signed-size \
               --timeframes 1m,5m,4h,1d";
    arguments.extend(how.split_whitespace().map(Into::into));
    assert_replay(&arguments, &[1, 2, 3], "1m", &wanted);
}
