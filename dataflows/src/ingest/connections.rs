//! The connection status of the partitions of a run, as their reader threads last reported it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectors::{HeldRows, Incident, IncidentKind, Link};
use market::EventTime;

use super::system_time::now;

/// The connections of all partitions that have one, and which sources were reached. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<(usize, usize), PartitionStatus>,
    /// Sources of which every partition was opened.
    opened: BTreeSet<usize>,
    /// The last error of a source that could not be reached.
    errors: BTreeMap<usize, String>,
    /// The last error of each source, also if it is over.
    last_errors: BTreeMap<usize, String>,
}

/// Whether a source was reached, and what it lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Every partition was opened, and connected at least once.
    pub is_reached: bool,
    /// The last error, if it was not reached.
    pub error: Option<String>,
    /// The last error, also if it is over.
    pub last_error: Option<String>,
    /// Why one of its partitions cannot be read, if that is so.
    pub failure: Option<String>,
    /// Whether one of its partitions is not waited for any more.
    pub is_given_up: bool,
    /// Rows that were lost, as far as their number is known.
    pub lost_rows: u64,
    /// Whether more were lost, nobody knows how many.
    pub has_uncounted_loss: bool,
    /// When the last of these were missed, by the system's time.
    pub last_loss: Option<EventTime>,
}

/// The status of one partition.
#[derive(Clone, Debug, Default)]
struct PartitionStatus {
    link: Option<Link>,
    losses: u64,
    gaps: u64,
    /// Why it cannot be read, while it cannot.
    failure: Option<String>,
    is_given_up: bool,
    was_up: bool,
    lost_rows: u64,
    has_uncounted_loss: bool,
    last_loss: Option<EventTime>,
}

/// The connections of one source, summed over its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSummary {
    /// How many of its partitions have a connection.
    pub links: u64,
    /// Of how many partitions it is up.
    pub up: u64,
    /// How often a connection was lost.
    pub losses: u64,
    /// How often rows were lost.
    pub gaps: u64,
    /// How many partitions cannot be read.
    pub failed: u64,
    /// Rows that servers have and that were not read yet; none if any partition does not know.
    pub behind: Option<u64>,
    /// Rows that servers hold back: of all partitions, since the first of them.
    pub held: Option<HeldRows>,
    /// Rows that were lost, as far as their number is known.
    pub lost_rows: u64,
}

impl Connections {
    /// Records the link and the incidents of a partition after a read.
    pub fn note(
        &self,
        source: usize,
        partition: usize,
        link: Option<Link>,
        incidents: &[Incident],
    ) {
        if link.is_none() && incidents.is_empty() {
            return;
        }
        let mut state = self.lock();
        let is_error = |incident: &&Incident| {
            matches!(incident.kind, IncidentKind::Disconnected | IncidentKind::Failed)
        };
        if let Some(error) = incidents.iter().rev().find(is_error) {
            state.last_errors.insert(source, error.detail.clone());
        }
        let own = state.partitions.entry((source, partition)).or_default();
        own.link = link;
        own.was_up |= link.is_some_and(|link| link.is_up);
        for incident in incidents {
            match incident.kind {
                IncidentKind::Connected => own.failure = None,
                IncidentKind::Warning => {}
                IncidentKind::Disconnected => own.losses += 1,
                IncidentKind::Gap => {
                    own.gaps += 1;
                    own.last_loss = Some(now());
                    match incident.lost.and_then(|lost| lost.rows) {
                        Some(rows) => own.lost_rows = own.lost_rows.saturating_add(rows),
                        None => own.has_uncounted_loss = true,
                    }
                }
                IncidentKind::GivenUp => {} // the clock says until when
                IncidentKind::Failed => own.failure = Some(incident.detail.clone()),
            }
        }
    }

    /// Records that a partition is given up, or not any more.
    pub fn given_up(&self, source: usize, partition: usize, is_given_up: bool) {
        let mut state = self.lock();
        state.partitions.entry((source, partition)).or_default().is_given_up = is_given_up;
    }

    /// Records that every partition of a source was opened.
    pub fn opened(&self, source: usize) {
        let mut state = self.lock();
        state.opened.insert(source);
        state.errors.remove(&source);
    }

    /// Records why a source cannot be reached; its reader retries.
    pub fn unreachable(&self, source: usize, why: String) {
        let mut state = self.lock();
        state.last_errors.insert(source, why.clone());
        state.errors.insert(source, why);
    }

    /// Whether a source was reached, and what it lost.
    pub fn reach(&self, source: usize) -> Reach {
        let state = self.lock();
        let mut reach = Reach {
            is_reached: state.opened.contains(&source),
            error: state.errors.get(&source).cloned(),
            last_error: state.last_errors.get(&source).cloned(),
            ..Reach::default()
        };
        for status in state.of(source) {
            reach.is_reached &= status.was_up || status.link.is_none();
            reach.is_given_up |= status.is_given_up;
            reach.failure = reach.failure.or_else(|| status.failure.clone());
            reach.lost_rows = reach.lost_rows.saturating_add(status.lost_rows);
            reach.has_uncounted_loss |= status.has_uncounted_loss;
            reach.last_loss = reach.last_loss.max(status.last_loss);
        }
        reach
    }

    /// The connections of a source; none if it has none.
    pub fn of(&self, source: usize) -> Option<ConnectionSummary> {
        let state = self.lock();
        let mut all = ConnectionSummary { behind: Some(0), ..ConnectionSummary::default() };
        state
            .of(source)
            .filter(|status| status.is_connection())
            .for_each(|status| all.add(&status.summary()));
        (all.links > 0).then_some(all)
    }

    /// The connection of each partition of a source that has one, by number.
    pub fn each_of(&self, source: usize) -> Vec<(usize, ConnectionSummary)> {
        let state = self.lock();
        let own = state.partitions.range((source, 0)..=(source, usize::MAX));
        let own = own.filter(|(_, status)| status.is_connection());
        own.map(|((_, partition), status)| (*partition, status.summary())).collect()
    }

    /// The numbers of the sources that have a connection which is not up, but for partitions that cannot be read.
    pub fn down(&self) -> Vec<usize> {
        let state = self.lock();
        let is_down = |status: &PartitionStatus| {
            status.failure.is_none() && status.link.is_some_and(|link| !link.is_up)
        };
        let mut down: Vec<usize> = state
            .partitions
            .iter()
            .filter(|(_, status)| is_down(status))
            .map(|((source, _), _)| *source)
            .collect();
        down.dedup();
        down
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartitionStatus {
    /// Whether it has a connection. A file has none, but it may fail.
    fn is_connection(&self) -> bool {
        self.link.is_some() || self.failure.is_some()
    }

    /// As of a source that has this partition alone.
    fn summary(&self) -> ConnectionSummary {
        let PartitionStatus { link, losses, gaps, lost_rows, .. } = *self;
        let failed = self.failure.is_some();
        ConnectionSummary {
            links: 1,
            up: u64::from(link.is_some_and(|link| link.is_up) && !failed),
            losses,
            gaps,
            failed: u64::from(failed),
            behind: link.and_then(|link| link.behind),
            held: link.and_then(|link| link.held),
            lost_rows,
        }
    }
}

impl ConnectionSummary {
    fn add(&mut self, other: &ConnectionSummary) {
        self.links += other.links;
        self.up += other.up;
        self.losses += other.losses;
        self.gaps += other.gaps;
        self.failed += other.failed;
        self.behind = self.behind.zip(other.behind).map(|(one, other)| one + other);
        self.held = match (self.held, other.held) {
            (Some(one), Some(other)) => {
                let first = if other.since < one.since { other } else { one };
                Some(HeldRows { rows: one.rows + other.rows, ..first })
            }
            (one, other) => one.or(other),
        };
        self.lost_rows = self.lost_rows.saturating_add(other.lost_rows);
    }
}

impl State {
    fn of(&self, source: usize) -> impl Iterator<Item = &PartitionStatus> {
        self.partitions.range((source, 0)..=(source, usize::MAX)).map(|(_, status)| status)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use connectors::{HeldBy, LostRows};

    use super::*;

    fn incident(kind: IncidentKind) -> Incident {
        Incident { kind, lost: None, detail: "why".to_owned() }
    }

    #[test]
    fn a_source_is_what_its_partitions_are() {
        let connections = Connections::default();
        let up = |behind| Some(Link { is_up: true, behind, at_end: false, held: None });
        connections.note(1, 0, None, &[]);
        assert_eq!(
            (connections.of(1), connections.down()),
            (None, Vec::new()),
            "files have no connections"
        );
        connections.note(1, 0, up(Some(3)), &[incident(IncidentKind::Connected)]);
        connections.note(1, 1, up(Some(4)), &[]);
        connections.note(2, 0, up(None), &[]);
        let whole =
            ConnectionSummary { links: 2, up: 2, behind: Some(7), ..ConnectionSummary::default() };
        assert_eq!((connections.of(1), connections.down()), (Some(whole), Vec::new()));
        assert_eq!(connections.of(2).and_then(|all| all.behind), None);

        let lost = Some(Link { is_up: false, behind: None, at_end: false, held: None });
        connections.note(1, 1, lost, &[incident(IncidentKind::Disconnected)]);
        let half = ConnectionSummary {
            links: 2,
            up: 1,
            losses: 1,
            behind: None,
            ..ConnectionSummary::default()
        };
        assert_eq!((connections.of(1), connections.down()), (Some(half), vec![1]));
        connections.note(1, 1, up(Some(0)), &[incident(IncidentKind::Gap)]);
        connections.note(1, 0, up(Some(0)), &[incident(IncidentKind::Failed)]);
        let failed = ConnectionSummary {
            links: 2,
            up: 1,
            losses: 1,
            gaps: 1,
            failed: 1,
            behind: Some(0),
            ..ConnectionSummary::default()
        };
        assert_eq!((connections.of(1), connections.down()), (Some(failed), Vec::new()));
        assert_eq!(connections.reach(1).failure.as_deref(), Some("why"));
        connections.note(1, 0, up(Some(0)), &[incident(IncidentKind::Connected)]);
        assert_eq!(
            (connections.of(1).map(|all| all.failed), connections.reach(1).failure),
            (Some(0), None)
        );

        // A file has no connection, but it may fail.
        connections.note(3, 0, None, &[incident(IncidentKind::Failed)]);
        assert_eq!(connections.of(3).map(|all| (all.links, all.failed)), Some((1, 1)));
        connections.note(3, 0, None, &[incident(IncidentKind::Connected)]);
        assert_eq!(connections.of(3), None);
    }

    #[test]
    fn what_is_held_back_is_summed_since_the_first() {
        let connections = Connections::default();
        let (now, before) = (Instant::now(), Instant::now() - Duration::from_secs(5));
        let held = |rows, since| {
            let by = if since == before { HeldBy::OpenQuote(7) } else { HeldBy::HalfLine };
            let held = Some(HeldRows { rows, since, by });
            Some(Link { is_up: true, behind: Some(0), at_end: false, held })
        };
        connections.note(0, 0, held(3, now), &[]);
        connections.note(0, 2, held(4, before), &[incident(IncidentKind::Warning)]);
        let all = connections.of(0).unwrap();
        let held = HeldRows { rows: 7, since: before, by: HeldBy::OpenQuote(7) };
        assert_eq!((all.held, all.behind), (Some(held), Some(0)));
        let each = connections.each_of(0);
        let rows: Vec<_> = each.iter().map(|(n, own)| (*n, own.held.unwrap().rows)).collect();
        assert_eq!(rows, [(0, 3), (2, 4)]);
    }

    #[test]
    fn a_source_is_reached_when_each_partition_was_connected_once() {
        let connections = Connections::default();
        let link = |is_up| Some(Link { is_up, behind: None, at_end: false, held: None });
        connections.unreachable(0, "refused".to_owned());
        assert_eq!(connections.reach(0).error.as_deref(), Some("refused"));
        connections.opened(0);
        let last_error = Some("refused".to_owned());
        assert_eq!(
            connections.reach(0),
            Reach { is_reached: true, last_error, ..Reach::default() },
            "such as a file"
        );
        connections.note(0, 0, link(false), &[]);
        connections.note(0, 1, link(true), &[]);
        assert!(!connections.reach(0).is_reached && !connections.reach(1).is_reached);
        connections.note(0, 0, link(true), &[]);
        connections.note(0, 0, link(false), &[]);
        assert!(connections.reach(0).is_reached, "it was once, and is down now");

        let lost = |lost| Incident { lost: Some(lost), ..incident(IncidentKind::Gap) };
        connections.note(0, 1, link(true), &[lost(LostRows::of_positions(11, 20))]);
        // Ids of Redis have holes: what lies between two of them is no number of rows.
        let entries = LostRows { positions: Some((1 << 40, 1 << 50)), rows: Some(2) };
        connections.note(0, 0, link(true), &[lost(entries)]);
        let reach = connections.reach(0);
        assert_eq!((reach.lost_rows, reach.has_uncounted_loss), (12, false));
        assert!(reach.last_loss.is_some());
        connections.note(0, 0, link(true), &[lost(LostRows { rows: None, ..entries })]);
        let reach = connections.reach(0);
        assert_eq!((reach.lost_rows, reach.has_uncounted_loss), (12, true));
    }
}
