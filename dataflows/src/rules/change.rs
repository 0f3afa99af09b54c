//! What a commit says of rules and of their alerts.

use market::{EventTime, InstrumentId, Timeframe};
use node_api::AlertAcknowledgement;
use serde::{Deserialize, Serialize};

/// A change of the rules that were put at run time, or of an alert.
///
/// Recordings hold these by the place of their variant, so a new one is added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleChange {
    /// A rule counts from this commit on, instead of one of the same name.
    Put {
        /// Its name.
        name: String,
        /// As it was written, as JSON.
        rule: String,
        /// The name of whoever has put it; empty where there are no API keys.
        by: String,
    },
    /// A rule does not count any more.
    Delete {
        /// Its name.
        name: String,
        /// The name of whoever has deleted it; empty where there are no API keys.
        by: String,
    },
    /// An alert is acknowledged.
    Acknowledge {
        /// The instrument of its bar.
        instrument: InstrumentId,
        /// The timeframe of its bar.
        timeframe: Timeframe,
        /// When its bar opens.
        open_time: EventTime,
        /// The name of its rule.
        rule: String,
        /// The name of whoever acknowledges it.
        by: String,
        /// What they say.
        note: String,
    },
}

impl From<AlertAcknowledgement> for RuleChange {
    fn from(alert: AlertAcknowledgement) -> RuleChange {
        let AlertAcknowledgement { instrument, timeframe, open_time, rule, by, note } = alert;
        RuleChange::Acknowledge { instrument, timeframe, open_time, rule, by, note }
    }
}
