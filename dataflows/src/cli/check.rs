//! `tickweave check`.

use std::path::PathBuf;

use clap::Args;

use super::{Outcome, print};
use crate::config::{Config, RawConfig};

/// Check a configuration and show what it comes to.
#[derive(Args)]
pub(super) struct Check {
    /// The configuration file.
    config: PathBuf,
}

impl Check {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let config = load(&self.config)?;
        if json {
            let toml: toml::Value = toml::from_str(&config.toml)?;
            print(&format!("{}\n", serde_json::to_string_pretty(&toml)?))?;
        } else {
            print(&config.toml)?;
            eprintln!(
                "{} is good; above is what it comes to, defaults included",
                self.config.display()
            );
        }
        Ok(Outcome::Done)
    }
}

/// Reads and checks a configuration file; its relative paths start in its folder.
pub(super) fn load(path: &std::path::Path) -> anyhow::Result<Config> {
    load_with(path, |_| {})
}

/// Like [`load`], after `change` has overridden what was written.
pub(super) fn load_with(
    path: &std::path::Path,
    change: impl FnOnce(&mut RawConfig),
) -> anyhow::Result<Config> {
    let mut raw = RawConfig::read(path)?;
    change(&mut raw);
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    Ok(raw.check(folder)?)
}
