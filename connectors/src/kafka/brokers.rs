//! Whether a client knows any broker.
//!
//! The client library (2.12.1) forgets each broker that an answer about metadata does not name. The only broker of a
//! cluster names none, not even itself, while its controller takes it for dead: for a moment after it was stopped for
//! longer than `broker.session.timeout.ms`. A client that hears this knows nobody to ask any more and stays so, also
//! with `metadata.recovery.strategy` = `rebootstrap`. Only a new client begins with the configured servers again.

use std::sync::atomic::{AtomicU32, Ordering};

use super::status::Statistics;

/// Counts reports of a client that name no broker.
#[derive(Debug, Default)]
pub(super) struct KnownBrokers {
    /// How many in a row.
    reports_without: AtomicU32,
}

/// So many reports in a row, since a client that begins with the configured servers again forgets the others first.
const REPORTS_WITHOUT_MIN: u32 = 2;

impl KnownBrokers {
    /// Notes what a report says.
    pub(super) fn note(&self, report: &Statistics<'_>) {
        match report.knows_brokers() {
            true => self.reports_without.store(0, Ordering::Relaxed),
            false => drop(self.reports_without.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Whether the client knows no broker.
    pub(super) fn is_empty(&self) -> bool {
        self.reports_without.load(Ordering::Relaxed) >= REPORTS_WITHOUT_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinators_are_no_brokers_and_one_report_is_no_proof() {
        let report = |brokers: &str| format!(r#"{{"brokers":{{{brokers}}},"topics":{{}}}}"#);
        let broker = |name: &str, source: &str| {
            format!(r#""{name}":{{"nodeid":-1,"state":"INIT","source":"{source}"}}"#)
        };
        let logical = broker("GroupCoordinator", "logical");
        let known = KnownBrokers::default();
        let note = |brokers: &str| {
            let text = report(brokers);
            known.note(&serde_json::from_str(&text).unwrap());
            known.is_empty()
        };
        assert!(!note(&format!("{},{logical}", broker("a:1/bootstrap", "configured"))));
        assert!(!note(&logical));
        assert!(note(&logical));
        assert!(note(""));
        assert!(!note(&format!("{},{logical}", broker("a:1/1", "learned"))), "it knows one again");
        assert!(!note(&logical));
    }
}
