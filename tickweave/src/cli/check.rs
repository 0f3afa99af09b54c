//! `tickweave check`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Outcome, print};
use crate::keys::KeyFile;
use crate::stderr::{problem, say};
use connectors::SourceError;
use dataflows::config::{Config, ConfigError, Layers};
use dataflows::ingest::commit_log::registries;
use dataflows::run::{RunError, input_faults};
use serving::Certificates;

/// Check a configuration and the files that it reads, and show what it comes to.
///
/// The files that `run` or `replay` would open are opened, and their first rows read. With `--json`, faults are JSON:
/// `{"faults": [{"file", "line", "column", "set_by", "key", "message", "suggestion"}]}`.
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
    /// Check the configuration alone, and open no file of data.
    #[arg(long)]
    no_files: bool,
}

impl Check {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let (layers, config) = match self.checked() {
            Ok(checked) => checked,
            Err(error) if json => {
                let faults = serde_json::json!({ "faults": error.faults() });
                print(&format!("{}\n", serde_json::to_string_pretty(&faults)?))?;
                return Ok(Outcome::Wrong);
            }
            Err(error) => {
                problem!("{error}");
                if self.is_good_without_files() {
                    say!(
                        "{} is good but for its files of data; with --no-files no file of data is opened",
                        self.config.display()
                    );
                }
                return Ok(Outcome::Wrong);
            }
        };
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

impl Check {
    /// Whether only files of data were at fault.
    fn is_good_without_files(&self) -> bool {
        !self.no_files && self.alone().is_ok()
    }

    /// The configuration, if it is good, whatever its files are.
    fn alone(&self) -> Result<(Layers, Config), ConfigError> {
        let layers = going_on(layers(&self.config)?).map_err(|error| ConfigError::Value {
            place: "state.dir".to_owned(),
            problem: format!("{error:#}"),
        })?;
        let config = layers.check()?;
        Ok((layers, config))
    }

    /// The configuration, if it and its files are good.
    fn checked(&self) -> Result<(Layers, Config), ConfigError> {
        let (layers, config) = self.alone()?;
        if self.no_files {
            return Ok((layers, config));
        }
        let faults = input_faults(&config).into_iter().map(|(number, fault)| {
            let place =
                format!("source[{number}] (name `{}`).paths", config.sources[number].names.name);
            layers.fault(place, in_words(fault))
        });
        let mut faults: Vec<_> = faults.collect();
        let keys = config.protection.keys.as_deref().map(|path| KeyFile::at(path).key_set(true));
        if let Some(Err(error)) = keys {
            let error = format!("{:#}", anyhow::Error::new(error));
            faults.push(layers.fault("http.keys".to_owned(), error));
        }
        if let Some(Err(error)) = config.protection.tls.clone().map(Certificates::load) {
            let error = format!("{:#}", anyhow::Error::new(error));
            faults.push(layers.fault("http.tls".to_owned(), error));
        }
        match faults.len() {
            0 => Ok((layers, config)),
            1 => Err(faults.remove(0)),
            _ => Err(ConfigError::Several(faults)),
        }
    }
}

/// What is wrong with a file; the place names its source.
fn in_words(fault: RunError) -> String {
    match fault {
        RunError::Named(SourceError::Config { problem, .. }) => problem,
        RunError::Source { source, .. } => format!("{:#}", anyhow::Error::new(source)),
        other => other.to_string(),
    }
}

/// A configuration file under the environment of the process.
pub(super) fn layers(path: &Path) -> Result<Layers, ConfigError> {
    Layers::read(path)?.environment(std::env::vars_os())
}

/// The layers of a job that goes on with its state, if there is any: names keep their numbers.
pub(super) fn going_on(layers: Layers) -> anyhow::Result<Layers> {
    let known = layers.state_dir().map(|dir| registries(&dir)).transpose()?.flatten();
    Ok(match known {
        Some(known) => layers.going_on_with(known),
        None => layers,
    })
}
