//! `tickweave produce`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use connectors::Place;
use market::{Catalog, EventTime, Span};
use serde_json::json;

use super::check::layers;
use super::{Outcome, print, signals};
use dataflows::config::JobFiles;
use dataflows::ingest::Stop;
use workload::produce::{FORMS, Output, Produced, RowFormat};
use workload::{Ids, Workload};

/// Make ticks, seeded, or take those of a configured source, and write them to files or standard output, as fast
/// as it goes or at a rate.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave produce --rows 1000000 --out ticks.csv && tickweave replay ticks.csv
  tickweave produce --form entries --corrections 0.01 --cancels 0.005 --rate 500 --out feed.csv")]
pub(super) struct Produce {
    /// Where to: a path, or `-` for standard output.
    #[arg(short, long, visible_alias = "to", value_name = "TARGET")]
    out: String,
    /// Replace a file that exists; never one that rows are taken from.
    #[arg(long)]
    force: bool,
    /// What a row looks like: `ticks` is CSV of ts_ns,symbol,trade_id,price,size; `entries` (CSV) and `jsonl` say by themselves
    /// what they are [default: ticks; entries if there are corrections or cancels, or a configuration].
    #[arg(long, value_parser = PossibleValuesParser::new(FORMS.map(|(name, _)| name)))]
    form: Option<String>,
    /// Rows per second [default: as fast as it goes].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// How many rows [default: 1,000,000; of a source, all].
    #[arg(long)]
    rows: Option<u64>,
    /// Take the rows of a source of this configuration instead of making them.
    #[arg(long, value_name = "FILE", requires = "source")]
    config: Option<PathBuf>,
    /// Which source.
    #[arg(long, value_name = "NAME", requires = "config")]
    source: Option<String>,
    #[command(flatten)]
    made: Made,
}

/// What is made.
#[derive(Args)]
#[command(next_help_heading = "What is made")]
struct Made {
    /// The same seed makes the same rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many symbols trade, the first ones most.
    #[arg(long, default_value_t = 200)]
    symbols: u32,
    /// What stands before the symbols of entries.
    #[arg(long, default_value = "made")]
    venue: String,
    /// Share of all trades that the first symbol has [default: by the skew].
    #[arg(long, value_name = "SHARE")]
    hot: Option<f64>,
    /// When the first trade happens (RFC 3339).
    #[arg(long, default_value = "2026-01-05T10:00:00Z")]
    start: String,
    /// Over how much event time the rows are spread.
    #[arg(long, default_value = "6h")]
    span: String,
    /// Share of rows that repeat a trade exactly.
    #[arg(long, default_value_t = 0.02, value_name = "SHARE")]
    duplicates: f64,
    /// Share of rows that come late.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    late: f64,
    /// How late at most.
    #[arg(long, default_value = "5s")]
    late_by: String,
    /// Share of rows that correct a trade.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    corrections: f64,
    /// Share of corrections that move the close of a closed minute.
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    of_closes: f64,
    /// Share of rows that cancel a trade.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    cancels: f64,
    /// Ids are texts, not numbers.
    #[arg(long)]
    text_ids: bool,
}

impl Produce {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let stop = Stop::default();
        let _signals = signals(&stop)?;
        let amends = self.made.corrections > 0.0 || self.made.cancels > 0.0;
        let default =
            if amends || self.config.is_some() { RowFormat::Entries } else { RowFormat::Ticks };
        let form = self.form.as_deref().and_then(|name| FORMS.iter().find(|(is, _)| *is == name));
        let form = form.map_or(default, |(_, form)| *form);
        let open = |reads: &JobFiles| {
            Output::open(&self.out, (self.force, reads), form, self.rate, stop.clone())
        };
        let produced = match (&self.config, &self.source) {
            (Some(config), Some(source)) => {
                let mut config = layers(config)?.to_end().check()?;
                let names: Vec<_> = config.sources.iter().map(|s| s.names.name.clone()).collect();
                let Some(at) = names.iter().position(|name| name == source) else {
                    bail!("there is no source `{source}` (there are: {})", names.join(", "));
                };
                let source = config.sources.swap_remove(at);
                let partitions = source.source.discover()?;
                let [partition] = partitions[..] else {
                    bail!(
                        "source `{}` has {} partitions, and only sources of one can be produced from",
                        names[at],
                        partitions.len()
                    );
                };
                let reader = source.source.open(partition, Place::Earliest)?;
                open(&config.files)?.partition(
                    reader,
                    self.rows.unwrap_or(u64::MAX),
                    &config.catalog,
                )?
            }
            _ => {
                let workload = self.made.workload(self.rows)?;
                let catalog = Catalog::new(Vec::new(), workload.symbols as usize);
                open(&JobFiles::default())?.workload(&workload, &self.made.venue, &catalog)?
            }
        };
        self.report(produced, json)?;
        Ok(if stop.is_set() { Outcome::Stopped } else { Outcome::Done })
    }

    /// Prints what was produced, unless the rows themselves go to the same place.
    fn report(&self, Produced { rows, refused }: Produced, json: bool) -> anyhow::Result<()> {
        if self.out == "-" || self.out.starts_with("stdout:") {
            return Ok(());
        }
        if json {
            return print(&format!("{}\n", json!({ "rows": rows, "refused": refused })));
        }
        let refused = match refused {
            0 => String::new(),
            some => format!("; {some} rows of the source could not be decoded"),
        };
        print(&format!("produced {rows} rows to {}{refused}\n", self.out))
    }
}

impl Made {
    fn workload(&self, rows: Option<u64>) -> anyhow::Result<Workload> {
        let nanos = |flag: &str, text: &str| {
            let span: Span =
                text.parse().map_err(|problem| anyhow::anyhow!("{flag}: {problem}"))?;
            Ok::<_, anyhow::Error>(span.as_nanos())
        };
        let workload = Workload {
            seed: self.seed,
            rows: rows.unwrap_or(1_000_000),
            symbols: self.symbols,
            hot: self.hot,
            start: EventTime::parse_any(&self.start)
                .with_context(|| format!("--start {}", self.start))?,
            span: nanos("--span", &self.span)?,
            duplicates: self.duplicates,
            late: self.late,
            late_by: nanos("--late-by", &self.late_by)?,
            corrections: self.corrections,
            cancels: self.cancels,
            of_closes: self.of_closes,
            ids: if self.text_ids { Ids::Hashed } else { Ids::Integer },
        };
        workload.check().map_err(anyhow::Error::msg)?;
        Ok(workload)
    }
}
