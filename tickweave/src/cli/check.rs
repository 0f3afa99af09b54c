//! `tickweave check`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Outcome, print};
use crate::stderr::say;
use dataflows::config::{ConfigError, Layers};

/// Check a configuration and show what it comes to.
///
/// Every value is shown with where it came from: a default, a line of the file, or a variable such as
/// `TICKWEAVE__JOB__WORKERS=3` or `TICKWEAVE__SOURCE__0__PATHS='["a.csv"]'`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave check job.toml && tickweave run job.toml
  TICKWEAVE__JOB__WORKERS=3 tickweave check job.toml --json | jq .job")]
pub(super) struct Check {
    /// The configuration file.
    config: PathBuf,
}

impl Check {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let layers = layers(&self.config)?;
        let config = layers.check()?;
        if json {
            let toml: toml::Value = toml::from_str(&config.toml)?;
            print(&format!("{}\n", serde_json::to_string_pretty(&toml)?))?;
        } else {
            print(&layers.explained(&config))?;
            for calendar in config.calendars.iter() {
                if let Some((first, last)) = calendar.known_years() {
                    let name = calendar.name();
                    say!(
                        "calendar `{name}` knows the holidays of {first} to {last}, and none of other years"
                    );
                }
            }
            say!(
                "{} is good; above is what it comes to, and where each value came from",
                self.config.display()
            );
        }
        Ok(Outcome::Done)
    }
}

/// A configuration file under the environment of the process.
pub(super) fn layers(path: &Path) -> Result<Layers, ConfigError> {
    Layers::read(path)?.environment(std::env::vars_os())
}
