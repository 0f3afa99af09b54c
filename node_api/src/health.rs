//! The health of the process, as in `/health`.

use std::collections::BTreeMap;

use market::EventTime;

/// The status of a check. Later variants are worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    #[default]
    Pass,
    /// Works, but needs attention.
    Warn,
    /// Does not work.
    Fail,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// The status.
    pub status: Status,
    /// The reason, in words; may be empty.
    pub output: String,
    /// The measured value and its unit, if any.
    pub observed: Option<(f64, &'static str)>,
}

/// Whether the process can answer reads usefully.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    #[default]
    Ready,
    /// Not yet, or no longer; the text names the present activity, such as `recovering`.
    NotYet(String),
}

/// A source, or the delivery of a view to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The name of the source or sink.
    pub name: String,
    /// Of a delivery: the view.
    pub view: Option<&'static str>,
    /// The kind of the source or sink.
    pub kind: String,
    /// What it does, in a word such as `running`.
    pub state: &'static str,
    /// Since when it does that.
    pub since: EventTime,
    /// The last error, also if it is over.
    pub last_error: Option<String>,
}

/// The health of the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// The checks by name, such as `workers`.
    pub checks: BTreeMap<String, Check>,
    /// Each source.
    pub sources: Vec<Component>,
    /// Each view that is delivered to a sink.
    pub sinks: Vec<Component>,
    /// Whether the process is ready for requests.
    pub readiness: Readiness,
}

impl Status {
    /// `pass`, `warn` or `fail`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Warn => "warn",
            Status::Fail => "fail",
        }
    }
}

impl Health {
    /// The worst of all checks.
    ///
    /// ```
    /// use node_api::{Check, Health, Status};
    /// let mut health = Health::default();
    /// assert_eq!(health.status(), Status::Pass);
    /// let check = Check { status: Status::Warn, ..Check::default() };
    /// health.checks.insert("sources".to_owned(), check);
    /// assert_eq!(health.status(), Status::Warn);
    /// ```
    pub fn status(&self) -> Status {
        let worst = self.checks.values().map(|check| check.status).max();
        worst.unwrap_or_default()
    }
}
