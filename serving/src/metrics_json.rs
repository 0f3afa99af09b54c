//! The metrics of the process as JSON, made of OpenMetrics text, for clients that are no scrapers.
//!
//! A family has the name, type, unit and help of the text, and its samples; a sample has its labels and its value. Of a
//! histogram there are no buckets: a sample has the number of values, their sum and the quantiles that Prometheus'
//! `histogram_quantile` would give.
//!
//! Format: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

/// The families of a scrape, by name.
pub(super) type Families<'a> = BTreeMap<&'a str, Family<'a>>;

/// The samples of one name.
#[derive(Debug, Default, Serialize)]
pub(super) struct Family<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    help: &'a str,
    pub(super) samples: Vec<Sample>,
}

/// Labels with a value, or with what a histogram says.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    labels: BTreeMap<String, String>,
    #[serde(flatten)]
    values: BTreeMap<&'static str, Number>,
    /// Of a histogram: the upper bound of each bucket, and how many values are not above it.
    #[serde(skip)]
    buckets: Vec<(f64, f64)>,
}

/// The quantiles of histograms.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];

/// The families of OpenMetrics text; what is none of it is left out.
pub(super) fn families(text: &str) -> Families<'_> {
    let mut families = Families::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(about) => describe(&mut families, about),
            None => add(&mut families, line),
        }
    }
    for sample in families.values_mut().flat_map(|family| &mut family.samples) {
        sample.quantiles();
    }
    families
}

fn describe<'a>(families: &mut Families<'a>, about: &'a str) {
    let Some((kind, rest)) = about.split_once(' ') else { return };
    let Some((name, text)) = rest.split_once(' ') else { return };
    let family = families.entry(name).or_default();
    match kind {
        "TYPE" => family.kind = text,
        "UNIT" => family.unit = Some(text),
        "HELP" => family.help = text.strip_suffix('.').unwrap_or(text),
        _ => {}
    }
}

/// Adds a line such as `rows_total{source="a"} 5`.
fn add(families: &mut Families<'_>, line: &str) {
    let Some((name, rest)) = line.split_at_checked(line.find(['{', ' ']).unwrap_or(0)) else {
        return;
    };
    let Some((mut labels, rest)) = labels(rest) else { return };
    let Some(value) = rest.split_whitespace().next().and_then(|value| value.parse().ok()) else {
        return;
    };
    let Some((family, field)) = family_of(families, name) else { return };
    let bound = (field == "bucket").then(|| labels.remove("le")).flatten();
    let at = family.samples.iter().position(|sample| sample.labels == labels);
    let at = at.unwrap_or_else(|| {
        family.samples.push(Sample { labels, values: BTreeMap::new(), buckets: Vec::new() });
        family.samples.len() - 1
    });
    let sample = &mut family.samples[at];
    match bound.map(|bound| bound.parse()) {
        Some(Ok(bound)) => sample.buckets.push((bound, value)),
        Some(Err(_)) => {}
        None => drop(number(value).map(|value| sample.values.insert(field, value))),
    }
}

/// The family of a sample, and what the sample says of it.
fn family_of<'f, 'a>(
    families: &'f mut Families<'a>,
    name: &str,
) -> Option<(&'f mut Family<'a>, &'static str)> {
    let suffixes = [
        ("_total", "value"),
        ("_info", "value"),
        ("_bucket", "bucket"),
        ("_count", "count"),
        ("_sum", "sum"),
        ("", "value"),
    ];
    let known = suffixes.into_iter().find_map(|(suffix, field)| {
        let family = name.strip_suffix(suffix)?;
        families.contains_key(family).then_some((family, field))
    });
    let (family, field) = known?;
    Some((families.get_mut(family)?, field))
}

/// The labels at the beginning of a text, and what stands behind them.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Some((labels, text)) };
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquoted(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = behind;
    }
}

/// The text up to the next quotation mark, and what stands behind that.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            (_, other) => value.push(other),
        }
    }
}

/// A number of JSON; whole ones without a fraction.
fn number(value: f64) -> Option<Number> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    match value.fract() == 0.0 && (0.0..=EXACT).contains(&value) {
        true => Some(Number::from(value as u64)),
        false => Number::from_f64(value), // none of what is not finite
    }
}

impl Sample {
    /// The value, if it is a whole number.
    pub(super) fn count(&self) -> Option<u64> {
        self.values.get("value").and_then(Number::as_u64)
    }

    /// The value.
    pub(super) fn value(&self) -> Option<f64> {
        self.values.get("value").and_then(Number::as_f64)
    }

    /// Of a histogram: its quantiles.
    pub(super) fn quantile_values(&self) -> BTreeMap<&'static str, &Number> {
        let known = QUANTILES.iter().filter_map(|(name, _)| Some((*name, self.values.get(name)?)));
        known.collect()
    }

    fn quantiles(&mut self) {
        let Some((_, all)) = self.buckets.last().copied().filter(|(_, all)| *all > 0.0) else {
            return;
        };
        for (name, quantile) in QUANTILES {
            let found = interpolated(&self.buckets, quantile * all).and_then(number);
            found.map(|value| self.values.insert(name, value));
        }
    }
}

/// The value below which there are so many, if they lie evenly in their bucket.
fn interpolated(buckets: &[(f64, f64)], wanted: f64) -> Option<f64> {
    let at = buckets.iter().position(|(_, below)| *below >= wanted)?;
    let (from, before) = match at.checked_sub(1) {
        Some(at) => buckets[at],
        None => (0.0, 0.0),
    };
    let (to, below) = buckets[at];
    if to.is_infinite() {
        return Some(from); // nothing is known above the last bound
    }
    Some(from + (to - from) * (wanted - before) / (below - before).max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn samples_have_labels_values_and_quantiles() {
        let text = "# HELP rows Rows read.\n# TYPE rows counter\nrows_total{source=\"a\\\"}b\",x=\"1\"} 5\nrows_total 0.5\n\
            # HELP lag_seconds Behind.\n# TYPE lag_seconds gauge\n# UNIT lag_seconds seconds\nlag_seconds NaN\n\
            # TYPE wait histogram\nwait_sum 3.0\nwait_count 4\nwait_bucket{le=\"1.0\"} 1\nwait_bucket{le=\"2.0\"} 3\n\
            wait_bucket{le=\"+Inf\"} 4\nnobody 1\n# EOF\n";
        let want = json!({
            "rows": {"type": "counter", "help": "Rows read", "samples": [
                {"labels": {"source": "a\"}b", "x": "1"}, "value": 5}, {"labels": {}, "value": 0.5},
            ]},
            "lag_seconds": {"type": "gauge", "unit": "seconds", "help": "Behind", "samples": [{"labels": {}}]},
            "wait": {"type": "histogram", "help": "", "samples": [
                {"labels": {}, "sum": 3, "count": 4, "p50": 1.5, "p90": 2, "p99": 2},
            ]},
        });
        assert_eq!(serde_json::to_value(families(text)).unwrap(), want);
    }
}
