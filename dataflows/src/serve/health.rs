//! How the process is, as `/health` tells it.

use std::collections::BTreeMap;

/// How something is; later variants are worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    #[default]
    Pass,
    /// Works, but someone should look.
    Warn,
    /// Does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// How it is.
    pub status: Status,
    /// Why, for people; nothing to say if empty.
    pub output: String,
    /// What was measured, if anything, and its unit.
    pub observed: Option<(f64, &'static str)>,
}

/// Whether answers are worth asking for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    #[default]
    Ready,
    /// Not yet, or no more: what the process is doing, such as `recovering`.
    NotYet(String),
}

/// How the process is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// What was looked at, by name, such as `workers` or `source:binance`.
    pub checks: BTreeMap<String, Check>,
    /// Whether the process is ready to be asked.
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
    /// use dataflows::serve::{Check, Health, Status};
    /// let mut health = Health::default();
    /// assert_eq!(health.status(), Status::Pass);
    /// let check = Check { status: Status::Warn, ..Check::default() };
    /// health.checks.insert("source:a".to_owned(), check);
    /// assert_eq!(health.status(), Status::Warn);
    /// ```
    pub fn status(&self) -> Status {
        let worst = self.checks.values().map(|check| check.status).max();
        worst.unwrap_or_default()
    }
}
