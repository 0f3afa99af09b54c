//! The queue: which of the waiting jobs is next.

use std::collections::VecDeque;
use std::time::Duration;

/// The class of a job. Classes share the threads by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Encoding of an answer whose rows were read. Always next, so that few rows are held.
    Answer,
    /// Changes for subscribers, with a larger share of the time.
    Changes,
    /// A part of a snapshot.
    Snapshot,
    /// Rows of certain instruments or portfolios.
    Point,
    /// Other rows.
    Scan,
}

/// Waiting jobs, bounded in number per class.
pub(super) struct Queue<J> {
    lanes: [Lane<J>; CLASSES.len()],
    bound: usize,
    /// The virtual time: the used time of the lane that was next last.
    now: Duration,
}

struct Lane<J> {
    jobs: VecDeque<J>,
    /// Time used, divided by the weight of the class.
    used: Duration,
}

impl Class {
    fn weight(self) -> u32 {
        match self {
            Class::Changes => 4,
            Class::Answer | Class::Snapshot | Class::Point | Class::Scan => 1,
        }
    }
}

/// All classes, in the order of their lanes.
const CLASSES: [Class; 5] =
    [Class::Answer, Class::Changes, Class::Snapshot, Class::Point, Class::Scan];

impl<J> Queue<J> {
    /// An empty queue of at most `bound` jobs of each class.
    pub(super) fn new(bound: usize) -> Queue<J> {
        let lanes = CLASSES.map(|_| Lane { jobs: VecDeque::new(), used: Duration::ZERO });
        Queue { lanes, bound, now: Duration::ZERO }
    }

    /// Appends a job to its class. Returns it if there is no room, even after abandoned jobs were removed.
    pub(super) fn push(
        &mut self,
        class: Class,
        job: J,
        is_abandoned: impl Fn(&J) -> bool,
    ) -> Result<(), J> {
        let lane = &mut self.lanes[class as usize];
        if lane.jobs.len() >= self.bound {
            lane.jobs.retain(|job| !is_abandoned(job));
        }
        if lane.jobs.len() >= self.bound {
            return Err(job);
        }
        if lane.jobs.is_empty() {
            lane.used = lane.used.max(self.now); // an idle class does not accumulate credit
        }
        lane.jobs.push_back(job);
        Ok(())
    }

    /// The oldest job of the class that has used the least time; answers come first.
    pub(super) fn pop(&mut self) -> Option<(Class, J)> {
        let waiting =
            CLASSES.into_iter().filter(|class| !self.lanes[*class as usize].jobs.is_empty());
        let next = waiting.min_by_key(|class| match class {
            Class::Answer => Duration::ZERO,
            class => self.lanes[*class as usize].used,
        })?;
        let lane = &mut self.lanes[next as usize];
        if next != Class::Answer {
            self.now = self.now.max(lane.used);
        }
        lane.jobs.pop_front().map(|job| (next, job))
    }

    /// How many jobs of a class wait.
    #[cfg(test)]
    pub(super) fn waiting(&self, class: Class) -> usize {
        self.lanes[class as usize].jobs.len()
    }

    /// Adds the time that a job of this class took.
    pub(super) fn charge(&mut self, class: Class, took: Duration) {
        self.lanes[class as usize].used += took / class.weight();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(jobs: &[(Class, usize)]) -> Queue<Class> {
        let mut queue = Queue::new(100);
        for (class, count) in jobs {
            (0..*count).for_each(|_| queue.push(*class, *class, |_| false).unwrap());
        }
        queue
    }

    /// The next jobs; each takes as long as its class does.
    fn next(queue: &mut Queue<Class>, count: usize, took: impl Fn(Class) -> u64) -> Vec<Class> {
        let one = |_| {
            let (class, _) = queue.pop().unwrap();
            queue.charge(class, Duration::from_millis(took(class)));
            class
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn classes_share_by_time() {
        let mut queue = filled(&[(Class::Scan, 100), (Class::Snapshot, 100)]);
        let taken = next(&mut queue, 66, |class| if class == Class::Scan { 10 } else { 1 });
        let scans = taken.iter().filter(|class| **class == Class::Scan).count();
        assert!((5..=7).contains(&scans), "{scans} long ones beside {} short ones", 66 - scans);
    }

    #[test]
    fn an_idle_class_accumulates_no_credit_and_is_not_delayed() {
        let mut queue = filled(&[(Class::Scan, 100)]);
        next(&mut queue, 50, |_| 10);
        for class in [Class::Snapshot, Class::Changes, Class::Answer] {
            (0..9).for_each(|_| queue.push(class, class, |_| false).unwrap());
        }
        let taken = next(&mut queue, 20, |_| 10);
        assert_eq!(taken[..9], [Class::Answer; 9]);
        let of = |class| taken[9..].iter().filter(|taken| **taken == class).count();
        let (changes, snapshots, scans) =
            (of(Class::Changes), of(Class::Snapshot), of(Class::Scan));
        assert!(changes > snapshots && snapshots.abs_diff(scans) <= 1, "{taken:?}");
    }

    #[test]
    fn each_class_has_a_bound() {
        let mut queue = Queue::new(2);
        assert_eq!(queue.push(Class::Scan, 1, |_| false), Ok(()));
        assert_eq!(queue.push(Class::Scan, 2, |_| false), Ok(()));
        assert_eq!(queue.push(Class::Scan, 3, |_| false), Err(3));
        assert_eq!(queue.push(Class::Changes, 4, |_| false), Ok(()));
        assert_eq!(queue.push(Class::Scan, 5, |job| *job == 1), Ok(()), "1 is abandoned");
        let rest: Vec<i32> = std::iter::from_fn(|| queue.pop()).map(|(_, job)| job).collect();
        assert_eq!(rest, [4, 2, 5]);
    }
}
