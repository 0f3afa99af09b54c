//! How the partitions of a run are connected, as their pumps last told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use connectors::{Incident, IncidentKind, Link};

/// The links of all partitions that have any. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<BTreeMap<(usize, usize), Told>>>);

/// What was told of one partition.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    link: Option<Link>,
    losses: u64,
    gaps: u64,
    failed: bool,
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
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = told.entry((source, partition)).or_default();
        own.link = link;
        for incident in incidents {
            match incident.kind {
                IncidentKind::Connected => {}
                IncidentKind::Disconnected => own.losses += 1,
                IncidentKind::Gap => own.gaps += 1,
                IncidentKind::Failed => own.failed = true,
            }
        }
    }

    /// The links of a source; none if it has no link at all.
    pub fn of(&self, source: usize) -> Option<Linked> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Linked { behind: Some(0), ..Linked::default() };
        for Told { link, losses, gaps, failed } in
            told.range((source, 0)..=(source, usize::MAX)).map(|(_, told)| told)
        {
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
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = |told: &Told| told.failed || told.link.is_some_and(|link| !link.is_up);
        let mut down: Vec<usize> =
            told.iter().filter(|(_, told)| is_down(told)).map(|((source, _), _)| *source).collect();
        down.dedup();
        down
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
}
