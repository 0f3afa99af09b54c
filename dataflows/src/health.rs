//! What is looked at to say how the process is: by `/health` at the moment of asking, and for the view
//! `health` at the end of every round.

use market::Commit;

use crate::serve::{Check, Status};

/// What there is to see.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How many workers there are.
    pub workers: usize,
    /// Whether one of them is gone.
    pub failed: bool,
    /// Bytes that operators retain and may, if they retain too much.
    pub over_budget: Option<(usize, usize)>,
    /// The sources that are not connected to their servers.
    pub down: Vec<String>,
    /// The newest commit that is complete, or will be when this is read.
    pub commit: Option<Commit>,
}

impl Seen {
    /// Every check, by name.
    pub fn checks(&self) -> [(&'static str, Check); 3] {
        [("workers", self.workers()), ("sources", self.sources()), ("commits", self.commits())]
    }

    /// Why sources pause, if they do.
    pub fn pause(&self) -> Option<String> {
        let (retained, limit) = self.over_budget?;
        Some(format!(
            "sources pause: operators retain about {retained} bytes, `limits.state_bytes` allows {limit}"
        ))
    }

    fn workers(&self) -> Check {
        if self.failed {
            let output = "a worker has failed; the process is going down".to_owned();
            return Check { status: Status::Fail, output, observed: None };
        }
        let output = format!("{} workers run", self.workers);
        Check { status: Status::Pass, output, observed: None }
    }

    fn sources(&self) -> Check {
        let (status, output) = match self.pause() {
            None if !self.down.is_empty() => {
                let names = self.down.join(", ");
                (Status::Warn, format!("not connected: {names} (see the view `incidents`)"))
            }
            None => (Status::Pass, "sources are read".to_owned()),
            Some(reason) => (Status::Fail, reason),
        };
        Check { status, output, observed: None }
    }

    fn commits(&self) -> Check {
        match self.commit {
            Some(commit) => Check {
                status: Status::Pass,
                output: "commits become complete".to_owned(),
                observed: Some((commit.0 as f64, "newest commit")),
            },
            None => Check {
                status: Status::Warn,
                output: "no commit is complete yet".to_owned(),
                observed: None,
            },
        }
    }
}
