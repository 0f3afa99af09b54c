//! Flags of the files that a run writes at its end.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use dataflows::config::{Config, ConfigError};
use dataflows::output::{ResultLayout, Written, WrittenViews};
use dataflows::run::RunOptions;

/// Where results go, which, and how.
#[derive(Args)]
pub(super) struct ResultFlags {
    /// At the end, write views to DIR/VIEW.csv, in place of those of an earlier run only.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which views, by commas, or `all` [default: candles, indicators, and what has rows but trades, signals and
    /// revisions].
    #[arg(long, value_name = "VIEWS", requires = "out")]
    views: Option<String>,
    /// `wide`: DIR/bars_1m.csv for each timeframe, with a column per indicator, instead of candles and indicators.
    #[arg(long, value_name = "LAYOUT", default_value = "long", requires = "out")]
    layout: LayoutFlag,
}

/// How candles and indicators are written.
#[derive(Clone, Copy, ValueEnum)]
enum LayoutFlag {
    /// As the views are: a row per bar, and a row per number of an indicator.
    Long,
    /// A file per timeframe, a row per bar, a column per number of an indicator.
    Wide,
}

impl ResultFlags {
    /// Says so in `options`; an error names the views that the job has.
    pub(super) fn choose(
        &self,
        config: &Config,
        options: &mut RunOptions,
    ) -> Result<(), ConfigError> {
        let views = match &self.views {
            None => WrittenViews::Results,
            Some(text) => WrittenViews::parse(text, config.job.kind.views)
                .map_err(|problem| ConfigError::Value { place: "--views".to_owned(), problem })?,
        };
        let layout = match self.layout {
            LayoutFlag::Long => ResultLayout::Long,
            LayoutFlag::Wide => ResultLayout::Wide,
        };
        options.out.clone_from(&self.out);
        options.written = Written { views, layout };
        Ok(())
    }
}
