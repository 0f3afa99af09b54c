//! Every view, one line each. Publishing, serving, sinks, results, digests, documents and tests walk this list, or the
//! part of it that a job has.

use crate::publish::entry::{Entry, keyed, log, own_log, table, union, updates};
use crate::views::{
    AlertEventLog, AlertsView, CandlesView, ConflictLog, ControlLog, DeadLetterLog, DriftView,
    EdgesView, EventLog, FeesView, FillFaultLog, FillLog, GapEventLog, GapsView, HEALTH,
    IncidentLog, IndicatorsView, OutlierLog, PortfoliosView, PositionsView, RevisionLog, RiskView,
    SINKS, SOURCES, SignalsView, TooLateLog, TradeLog, UnmatchedLog,
};
use rows::{View, ViewList, are_equal};

/// Every view.
const ENTRIES: &[Entry] = &[
    log::<AlertEventLog>(),
    keyed::<AlertsView>(),
    keyed::<CandlesView>(),
    log::<ConflictLog>(),
    own_log::<ControlLog>(),
    own_log::<DeadLetterLog>(),
    updates::<DriftView>(),
    updates::<EdgesView>(),
    union::<EventLog>(),
    updates::<FeesView>(),
    log::<FillFaultLog>(),
    log::<FillLog>(),
    log::<GapEventLog>(),
    keyed::<GapsView>(),
    table(HEALTH),
    own_log::<IncidentLog>(),
    keyed::<IndicatorsView>(),
    updates::<PortfoliosView>(),
    updates::<PositionsView>(),
    log::<OutlierLog>(),
    log::<RevisionLog>(),
    updates::<RiskView>(),
    keyed::<SignalsView>(),
    table(SINKS),
    table(SOURCES),
    log::<TooLateLog>(),
    log::<TradeLog>(),
    log::<UnmatchedLog>(),
];

/// The schemas of all views, in the order of the list.
pub const VIEWS: &[View] = &{
    let mut views = [ENTRIES[0].stored.view; ENTRIES.len()];
    let mut at = 0;
    while at < views.len() {
        views[at] = ENTRIES[at].stored.view;
        at += 1;
    }
    views
};

/// Views that were renamed: the former name, which is accepted for one more version, and the present one.
pub const RENAMED: &[(&str, &str)] = &[("providers", "sources")];

/// The entries of the views of a job.
pub fn entries(views: ViewList) -> Vec<&'static Entry> {
    let is_own =
        |entry: &&Entry| views.views.iter().any(|view| view.name == entry.stored.view.name);
    ENTRIES.iter().filter(is_own).collect()
}

/// Some of the views, by their names.
pub const fn select<const N: usize>(names: [&str; N]) -> [View; N] {
    let mut views = [VIEWS[0]; N];
    let mut at = 0;
    while at < N {
        views[at] = find(names[at]);
        at += 1;
    }
    views
}

/// The view of this name. The compiler refuses a name that no view has.
const fn find(name: &str) -> View {
    let mut at = 0;
    while !are_equal(VIEWS[at].name, name) {
        at += 1;
    }
    VIEWS[at]
}
