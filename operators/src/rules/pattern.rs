//! Candlestick patterns: a plain list. To add one: a line here, with its definition in words.
//!
//! Definitions are exact comparisons of integers. Names and shapes are those of Nison, *Japanese
//! Candlestick Charting Techniques*; where he speaks of "small" or "long", the list gives how much.

use super::point::Shape;

/// A pattern of one or more bars.
#[derive(Debug)]
pub struct Pattern {
    /// Its name, in configuration.
    pub name: &'static str,
    /// Its definition.
    pub doc: &'static str,
    /// How many bars it takes.
    pub bars: usize,
    /// Whether it ends at the last bar, given the `bars − 1` before.
    pub(super) holds: fn(&[Shape], Shape) -> bool,
}

/// The pattern of this name.
impl Pattern {
    /// Finds a pattern; the error lists all.
    pub fn named(name: &str) -> Result<&'static Pattern, String> {
        PATTERNS.iter().find(|pattern| pattern.name == name).ok_or_else(|| {
            let known: Vec<_> = PATTERNS.iter().map(|pattern| pattern.name).collect();
            format!("unknown pattern `{name}` (known: {})", known.join(", "))
        })
    }
}

/// Every pattern.
pub const PATTERNS: &[Pattern] = &[
    Pattern {
        name: "bearish_engulfing",
        doc: "a falling bar whose body covers the rising body before it and is larger",
        bars: 2,
        holds: |before, last| engulfs(last, before[0]) && last.falls() && before[0].rises(),
    },
    Pattern {
        name: "bullish_engulfing",
        doc: "a rising bar whose body covers the falling body before it and is larger",
        bars: 2,
        holds: |before, last| engulfs(last, before[0]) && last.rises() && before[0].falls(),
    },
    Pattern {
        name: "doji",
        doc: "a body of at most a tenth of a bar that is not flat",
        bars: 1,
        holds: |_, last| last.range() > 0 && last.body().saturating_mul(10) <= last.range(),
    },
    Pattern {
        name: "hammer",
        doc: "a lower shadow of at least twice the body, an upper shadow of at most half the body",
        bars: 1,
        holds: |_, last| {
            last.body() > 0
                && last.lower_shadow() >= last.body().saturating_mul(2)
                && last.upper_shadow().saturating_mul(2) <= last.body()
        },
    },
    Pattern {
        name: "inside_bar",
        doc: "a bar within the high and low of the bar before, and smaller than it",
        bars: 2,
        holds: |before, last| {
            let outer = before[0];
            last.high <= outer.high && last.low >= outer.low && last.range() < outer.range()
        },
    },
    Pattern {
        name: "shooting_star",
        doc: "an upper shadow of at least twice the body, a lower shadow of at most half the body",
        bars: 1,
        holds: |_, last| {
            last.body() > 0
                && last.upper_shadow() >= last.body().saturating_mul(2)
                && last.lower_shadow().saturating_mul(2) <= last.body()
        },
    },
    Pattern {
        name: "three_black_crows",
        doc: "three falling bars, each closing below the one before and opening within its body",
        bars: 3,
        holds: |before, last| {
            let [first, second] = before else { return false };
            [*first, *second, last].iter().all(Shape::falls)
                && second.close < first.close
                && last.close < second.close
                && (first.close..=first.open).contains(&second.open)
                && (second.close..=second.open).contains(&last.open)
        },
    },
    Pattern {
        name: "three_white_soldiers",
        doc: "three rising bars, each closing above the one before and opening within its body",
        bars: 3,
        holds: |before, last| {
            let [first, second] = before else { return false };
            [*first, *second, last].iter().all(Shape::rises)
                && second.close > first.close
                && last.close > second.close
                && (first.open..=first.close).contains(&second.open)
                && (second.open..=second.close).contains(&last.open)
        },
    },
];

/// Whether the body of `outer` covers that of `inner` and is larger.
fn engulfs(outer: Shape, inner: Shape) -> bool {
    outer.open.min(outer.close) <= inner.open.min(inner.close)
        && outer.open.max(outer.close) >= inner.open.max(inner.close)
        && outer.body() > inner.body()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(open: i64, high: i64, low: i64, close: i64) -> Shape {
        Shape { open, high, low, close }
    }

    fn named(points: &[Shape]) -> Vec<&'static str> {
        let held = PATTERNS.iter().filter(|pattern| {
            let Some(from) = points.len().checked_sub(pattern.bars) else { return false };
            let Some((last, before)) = points[from..].split_last() else { return false };
            (pattern.holds)(before, *last)
        });
        held.map(|pattern| pattern.name).collect()
    }

    #[test]
    fn each_pattern_at_its_border() {
        assert_eq!(named(&[bar(100, 110, 100, 101)]), ["doji", "shooting_star"]);
        assert_eq!(named(&[bar(100, 109, 100, 101)]), ["shooting_star"], "a body of a ninth");
        assert_eq!(named(&[bar(100, 100, 100, 100)]), [""; 0], "flat");
        assert_eq!(named(&[bar(100, 105, 92, 104)]), ["hammer"]);
        assert_eq!(named(&[bar(100, 105, 93, 104)]), [""; 0]);
        assert_eq!(named(&[bar(100, 112, 98, 104)]), ["shooting_star"]);
        assert_eq!(named(&[bar(110, 112, 99, 100), bar(99, 114, 98, 111)]), ["bullish_engulfing"]);
        assert_eq!(named(&[bar(100, 112, 99, 110), bar(111, 114, 98, 99)]), ["bearish_engulfing"]);
        assert_eq!(named(&[bar(100, 120, 80, 110), bar(103, 119, 81, 108)]), ["inside_bar"]);
        let soldiers = [bar(100, 111, 99, 110), bar(105, 121, 104, 120), bar(115, 131, 114, 130)];
        assert_eq!(named(&soldiers), ["three_white_soldiers"]);
        let crows = [bar(130, 131, 114, 115), bar(120, 121, 104, 105), bar(110, 111, 94, 95)];
        assert_eq!(named(&crows), ["three_black_crows"]);
    }

    #[test]
    fn the_list_is_in_order_and_documented() {
        assert!(PATTERNS.is_sorted_by_key(|pattern| pattern.name));
        assert!(PATTERNS.iter().all(|pattern| !pattern.doc.is_empty() && pattern.bars > 0));
        assert!(Pattern::named("dogi").unwrap_err().contains("doji"));
    }
}
