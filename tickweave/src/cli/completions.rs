//! `tickweave completions` and `tickweave man`: what shells and `man` read, made from the command line itself.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Outcome, print};
use crate::stderr::say;

/// Print completions for a shell.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave completions bash > ~/.local/share/bash-completion/completions/tickweave
  tickweave completions zsh > \"${fpath[1]}/_tickweave\"
  tickweave completions fish > ~/.config/fish/completions/tickweave.fish")]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tickweave", &mut text);
        print(&String::from_utf8(text)?)?;
        Ok(Outcome::Done)
    }
}

/// Write a page for `man` per command.
#[derive(Args)]
#[command(after_help = "\
Example:
  tickweave man ~/.local/share/man/man1 && man tickweave-replay")]
pub(super) struct Man {
    /// The folder; made if it does not exist. Pages in it are replaced.
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
            .with_context(|| format!("cannot write pages to {}", folder.display()))?;
        say!("pages are in {}", folder.display());
        Ok(Outcome::Done)
    }
}
