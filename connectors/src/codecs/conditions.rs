//! What a trade of a US equity may update, and what print of its session it is, by its sale conditions.
//!
//! The securities information processors say, for each code, whether a trade counts into the
//! consolidated volume, high and low, and last price ([CTA], [UTP]; [the list] of one vendor). A trade
//! with several codes may update what all of them permit. Last is close here, and open likewise.
//!
//! The table below holds the conditions that forbid something, as bits of the vendor's set
//! (`20002020`: exempt from trade-through, extended hours, intermarket sweep); the others (regular,
//! sweep, opening, closing and reopening prints, cross, stopped, split, acquisition, distribution,
//! bunched, rule 155, yellow flag, automatic execution, trade-through exempt, sold last) forbid nothing.
//! The official close (`M`) and open (`Q`) of a market centre repeat the price and the size of its auction, which was
//! printed before as `6` or `O`, often as many prints. They set prices of that market centre's own tape; in the
//! consolidated one, which this is, they update nothing, and their sizes are in no volume. So the close of a session is
//! the last trade that may update last, a closing print among them.
//!
//! A closing print (`6`) closes its session and an opening print (`O`) opens it, whenever they come: the New York Stock
//! Exchange has printed auctions 86 s after the bell. A trade in extended hours (`T`, `U`) is one although it comes within
//! the grace of the regular session. Of other trades nothing is said: a market centre must mark what is traded outside
//! of regular hours, so what it prints after the bell without a mark was traded before, and a grace is right for it.
//!
//! "Conditional" rules of the processors (update last only if it is the first trade of the day) are not
//! modelled: here they forbid.
//!
//! Two choices. By `us-sip`, a trade in extended hours updates volume alone, so that bars before 09:30 and
//! after 16:00 have no prices and daily bars are those of the regular session. By `us-sip-all-hours`, a
//! trade in extended hours is like any other, as vendors have it in bars of a minute.
//!
//! [CTA]: https://www.ctaplan.com/tech-specs
//! [UTP]: https://www.utpplan.com/DOC/UtpBinaryOutputSpec.pdf
//! [the list]: https://polygon.io/glossary/us/stocks/conditions-indicators

use market::{SessionPrint, Updates};

/// Bits that together mean a condition, and what it permits.
type Condition = (u32, Updates);

const VOLUME: Updates = Updates::VOLUME;
const NOT_LAST: Updates = Updates::VOLUME.and(Updates::HIGH_LOW);
const NOTHING: Updates = Updates::NONE;

/// Trades in extended hours.
const EXTENDED_HOURS: &[Condition] = &[
    (0x400, VOLUME),  // T: form T
    (0x2000, VOLUME), // T: extended hours
];

/// Trades at any time.
const CONDITIONS: &[Condition] = &[
    (0x2, VOLUME),             // C: cash sale
    (0x4, VOLUME),             // N: next day
    (0x8, NOT_LAST),           // R: seller
    (0x200, NOT_LAST),         // 4: derivatively priced
    (0x4000, NOT_LAST),        // Z: sold out of sequence
    (0x2000 | 0x4000, VOLUME), // U: extended hours, sold out of sequence
    (0x4_0000, VOLUME),        // V: stock option, later called contingent
    (0x10_0000, VOLUME),       // B (CTA) and W (UTP): average price
    (0x40_0000, VOLUME),       // H: price variation
    (0x100_0000, NOTHING),     // M: official close
    (0x200_0000, NOT_LAST),    // P: prior reference price
    (0x400_0000, NOTHING),     // Q: official open
    (0x8000_0000, VOLUME),     // I: odd lot
];

/// Prints of auctions.
const CLOSING: u32 = 0x80; // 6
const OPENING: u32 = 0x40; // O

/// What a trade with these conditions (in hexadecimal) may update, and what print it is.
///
/// ```
/// use connectors::codecs::conditions::us_sip;
/// use market::{SessionPrint, Updates};
/// assert_eq!(us_sip("20000020"), Ok(Updates::ALL)); // a sweep, exempt from trade-through
/// assert_eq!(us_sip("20100200"), Ok(Updates::VOLUME)); // average price, derivatively priced
/// assert_eq!(us_sip("1000000"), Ok(Updates::NONE)); // the official close repeats a trade
/// assert_eq!(us_sip("80"), Ok(Updates::ALL.of_print(SessionPrint::Closing)));
/// assert!(us_sip("F, T").is_err());
/// ```
pub fn us_sip(conditions: &str) -> Result<Updates, &'static str> {
    let flags = flags(conditions)?;
    let permitted = permitted(flags, CONDITIONS).common(permitted(flags, EXTENDED_HOURS));
    Ok(permitted.of_print(print(flags)))
}

/// Like [`us_sip`], but that extended hours forbid nothing.
pub fn us_sip_all_hours(conditions: &str) -> Result<Updates, &'static str> {
    let flags = flags(conditions)?;
    Ok(permitted(flags, CONDITIONS).of_print(print(flags)))
}

/// What print the flags mean.
fn print(flags: u32) -> SessionPrint {
    let is_extended = EXTENDED_HOURS.iter().any(|(bits, _)| flags & bits == *bits);
    match flags {
        _ if flags & CLOSING != 0 => SessionPrint::Closing,
        _ if flags & OPENING != 0 => SessionPrint::Opening,
        _ if is_extended => SessionPrint::Ordinary,
        _ => SessionPrint::Unsaid,
    }
}

fn flags(conditions: &str) -> Result<u32, &'static str> {
    let is_plain = conditions.bytes().all(|byte| byte.is_ascii_hexdigit());
    let flags = u32::from_str_radix(conditions, 16).ok().filter(|_| is_plain);
    flags.ok_or("is not a set of sale conditions (up to 8 hexadecimal digits)")
}

/// What all of the conditions permit that the flags mean.
fn permitted(flags: u32, conditions: &[Condition]) -> Updates {
    let meant = conditions.iter().filter(|(bits, _)| flags & bits == *bits);
    meant.fold(Updates::ALL, |permitted, (_, permits)| permitted.common(*permits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use SessionPrint::{Closing, Opening, Ordinary};

    #[test]
    fn sets_of_conditions() {
        for (conditions, all_hours, sip) in [
            ("0", Updates::ALL, Updates::ALL),
            ("1", Updates::ALL, Updates::ALL),
            ("20000080", Updates::ALL.of_print(Closing), Updates::ALL.of_print(Closing)),
            ("20200040", Updates::ALL.of_print(Opening), Updates::ALL.of_print(Opening)),
            ("20002020", Updates::ALL.of_print(Ordinary), VOLUME.of_print(Ordinary)),
            ("400", Updates::ALL.of_print(Ordinary), VOLUME.of_print(Ordinary)),
            ("6000", VOLUME.of_print(Ordinary), VOLUME.of_print(Ordinary)),
            ("1000000", NOTHING, NOTHING),
            ("4800", NOT_LAST, NOT_LAST),
            ("102000", VOLUME.of_print(Ordinary), VOLUME.of_print(Ordinary)),
            ("2000000", NOT_LAST, NOT_LAST),
            ("2000008", NOT_LAST, NOT_LAST),
            ("4000200", NOTHING, NOTHING),
            ("80000000", VOLUME, VOLUME),
        ] {
            assert_eq!(us_sip_all_hours(conditions), Ok(all_hours), "{conditions}");
            assert_eq!(us_sip(conditions), Ok(sip), "{conditions}");
        }
        for not_a_set in ["", "+1", "-1", "100000000", "x", "@"] {
            assert!(us_sip(not_a_set).is_err(), "{not_a_set}");
        }
    }
}
