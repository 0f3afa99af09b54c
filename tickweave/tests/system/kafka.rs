//! Topics of a real Kafka, in and out: what comes of them is what comes of files, whatever crashes.

mod capture;
mod crashes;
mod faults;
mod forgotten;
mod job;
mod limits;
mod made;
mod outages;
mod packed;
mod read_on;
mod restarts;
mod started_again;
pub(crate) mod topics;
mod untold;
