//! How the partitions of a run are connected, as their pumps last told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectors::{Incident, IncidentKind, Link};
use market::EventTime;

use super::drive::now;

/// The links of all partitions that have any, and which sources were reached. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    partitions: BTreeMap<(usize, usize), Told>,
    /// Sources of which every partition was opened.
    opened: BTreeSet<usize>,
    /// Why a source could not be reached, as last heard.
    trouble: BTreeMap<usize, String>,
}

/// Whether a source was reached, and what it lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Every partition was opened, and connected at least once.
    pub is_reached: bool,
    /// Why not, as last heard.
    pub trouble: Option<String>,
    /// Rows that its servers no longer had, as far as their number is known.
    pub lost_rows: u64,
    /// When the last of these were missed, by the system's time.
    pub last_loss: Option<EventTime>,
}

/// What was told of one partition.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    link: Option<Link>,
    losses: u64,
    gaps: u64,
    failed: bool,
    was_up: bool,
    lost_rows: u64,
    last_loss: Option<EventTime>,
}

/// The links of one source, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// How many of its partitions have a link, and of how many it is up.
    pub links: u64,
    /// Of how many partitions the link is up.
    pub up: u64,
    /// How often a link was lost.
    pub losses: u64,
    /// How often rows were lost.
    pub gaps: u64,
    /// Of how many partitions it is lost for good.
    pub failed: u64,
    /// Rows that servers have and that were not read yet; none if any partition does not know.
    pub behind: Option<u64>,
}

impl Links {
    /// Takes what a pump tells after a read.
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
        let mut known = self.lock();
        let own = known.partitions.entry((source, partition)).or_default();
        own.link = link;
        own.was_up |= link.is_some_and(|link| link.is_up);
        for incident in incidents {
            match incident.kind {
                IncidentKind::Connected => {}
                IncidentKind::Disconnected => own.losses += 1,
                IncidentKind::Gap => {
                    own.gaps += 1;
                    own.last_loss = Some(now());
                    let lost =
                        incident.lost.map_or(0, |(first, last)| last.saturating_sub(first) + 1);
                    own.lost_rows = own.lost_rows.saturating_add(lost);
                }
                IncidentKind::Failed => own.failed = true,
            }
        }
    }

    /// Every partition of a source was opened.
    pub fn opened(&self, source: usize) {
        let mut known = self.lock();
        known.opened.insert(source);
        known.trouble.remove(&source);
    }

    /// Why a source cannot be reached, which is tried again.
    pub fn trouble(&self, source: usize, why: String) {
        self.lock().trouble.insert(source, why);
    }

    /// Whether a source was reached, and what it lost.
    pub fn reach(&self, source: usize) -> Reach {
        let known = self.lock();
        let mut reach = Reach {
            is_reached: known.opened.contains(&source),
            trouble: known.trouble.get(&source).cloned(),
            ..Reach::default()
        };
        for told in known.of(source) {
            reach.is_reached &= told.was_up || told.link.is_none();
            reach.lost_rows = reach.lost_rows.saturating_add(told.lost_rows);
            reach.last_loss = reach.last_loss.max(told.last_loss);
        }
        reach
    }

    /// The links of a source; none if it has no link at all.
    pub fn of(&self, source: usize) -> Option<Linked> {
        let known = self.lock();
        let mut all = Linked { behind: Some(0), ..Linked::default() };
        for Told { link, losses, gaps, failed, .. } in known.of(source) {
            all.links += 1;
            all.up += u64::from(link.is_some_and(|link| link.is_up) && !failed);
            all.losses += losses;
            all.gaps += gaps;
            all.failed += u64::from(*failed);
            let behind = link.and_then(|link| link.behind);
            all.behind = all.behind.zip(behind).map(|(all, behind)| all + behind);
        }
        (all.links > 0).then_some(all)
    }

    /// The numbers of sources of which some link is not up.
    pub fn down(&self) -> Vec<usize> {
        let known = self.lock();
        let is_down = |told: &Told| told.failed || told.link.is_some_and(|link| !link.is_up);
        let mut down: Vec<usize> = known
            .partitions
            .iter()
            .filter(|(_, told)| is_down(told))
            .map(|((source, _), _)| *source)
            .collect();
        down.dedup();
        down
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(&self, source: usize) -> impl Iterator<Item = &Told> {
        self.partitions.range((source, 0)..=(source, usize::MAX)).map(|(_, told)| told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(kind: IncidentKind) -> Incident {
        Incident { kind, lost: None, detail: String::new() }
    }

    #[test]
    fn a_source_is_what_its_partitions_are() {
        let links = Links::default();
        let up = |behind| Some(Link { is_up: true, behind, at_end: false });
        links.note(1, 0, None, &[]);
        assert_eq!((links.of(1), links.down()), (None, Vec::new()), "files have no links");
        links.note(1, 0, up(Some(3)), &[incident(IncidentKind::Connected)]);
        links.note(1, 1, up(Some(4)), &[]);
        links.note(2, 0, up(None), &[]);
        let whole = Linked { links: 2, up: 2, behind: Some(7), ..Linked::default() };
        assert_eq!((links.of(1), links.down()), (Some(whole), Vec::new()));
        assert_eq!(links.of(2).and_then(|all| all.behind), None);

        let lost = Some(Link { is_up: false, behind: None, at_end: false });
        links.note(1, 1, lost, &[incident(IncidentKind::Disconnected)]);
        let half = Linked { links: 2, up: 1, losses: 1, behind: None, ..Linked::default() };
        assert_eq!((links.of(1), links.down()), (Some(half), vec![1]));
        links.note(1, 1, up(Some(0)), &[incident(IncidentKind::Gap)]);
        links.note(1, 0, up(Some(0)), &[incident(IncidentKind::Failed)]);
        let failed = Linked { links: 2, up: 1, losses: 1, gaps: 1, failed: 1, behind: Some(0) };
        assert_eq!((links.of(1), links.down()), (Some(failed), vec![1]));
    }

    #[test]
    fn a_source_is_reached_when_each_partition_was_connected_once() {
        let links = Links::default();
        let link = |is_up| Some(Link { is_up, behind: None, at_end: false });
        links.trouble(0, "refused".to_owned());
        assert_eq!(links.reach(0).trouble.as_deref(), Some("refused"));
        links.opened(0);
        assert_eq!(
            links.reach(0),
            Reach { is_reached: true, ..Reach::default() },
            "such as a file"
        );
        links.note(0, 0, link(false), &[]);
        links.note(0, 1, link(true), &[]);
        assert!(!links.reach(0).is_reached && !links.reach(1).is_reached);
        links.note(0, 0, link(true), &[]);
        links.note(0, 0, link(false), &[]);
        assert!(links.reach(0).is_reached, "it was once, and is down now");

        let lost = Incident { lost: Some((11, 20)), ..incident(IncidentKind::Gap) };
        links.note(0, 1, link(true), &[lost, incident(IncidentKind::Gap)]);
        assert_eq!((links.reach(0).lost_rows, links.reach(0).last_loss.is_some()), (10, true));
    }
}
