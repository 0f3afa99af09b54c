//! The older text format of Prometheus (0.0.4), made of OpenMetrics text.
//!
//! Samples are the same. In the older format the family of a counter has the name of its samples, there are no infos, no
//! units and no mark of the end:
//!
//! ```text
//! # TYPE tickweave_records counter            # TYPE tickweave_records_total counter
//! # HELP tickweave_records Rows read.    →    # HELP tickweave_records_total Rows read.
//! tickweave_records_total{source="a"} 5       tickweave_records_total{source="a"} 5
//! # EOF
//! ```
//!
//! Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::HashMap;

/// The media type.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of a scrape in the older format.
pub(super) fn of_open_metrics(text: &str) -> String {
    let types: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let suffix = |family: &str| match types.get(family) {
        Some(&"counter") => "_total",
        Some(&"info") => "_info",
        _ => "",
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let about = ["# TYPE ", "# HELP "].iter().find_map(|kind| {
            let (family, rest) = line.strip_prefix(kind)?.split_once(' ')?;
            Some((*kind, family, rest))
        });
        match about {
            Some((kind, family, rest)) => {
                let rest = if kind == "# TYPE " { older_type(rest) } else { rest };
                out.extend([kind, family, suffix(family), " ", rest]);
            }
            None if line.starts_with("# UNIT ") || line == "# EOF" => continue,
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The name of a type of OpenMetrics in the older format.
fn older_type(name: &str) -> &str {
    match name {
        "info" | "stateset" => "gauge",
        "unknown" => "untyped",
        "gaugehistogram" => "histogram",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples_and_samples_stay() {
        let open = "# HELP rows Rows read.\n# TYPE rows counter\nrows_total{source=\"# TYPE a\"} 5\n\
            # HELP lag_seconds Behind.\n# TYPE lag_seconds gauge\n# UNIT lag_seconds seconds\nlag_seconds 1.5\n\
            # HELP process About.\n# TYPE process info\nprocess_info{version=\"1\"} 1\n\
            # TYPE wait histogram\nwait_bucket{le=\"+Inf\"} 2\nwait_sum 3\nwait_count 2\n# EOF\n";
        let older = "# HELP rows_total Rows read.\n# TYPE rows_total counter\nrows_total{source=\"# TYPE a\"} 5\n\
            # HELP lag_seconds Behind.\n# TYPE lag_seconds gauge\nlag_seconds 1.5\n\
            # HELP process_info About.\n# TYPE process_info gauge\nprocess_info{version=\"1\"} 1\n\
            # TYPE wait histogram\nwait_bucket{le=\"+Inf\"} 2\nwait_sum 3\nwait_count 2\n";
        assert_eq!(of_open_metrics(open), older);
    }
}
