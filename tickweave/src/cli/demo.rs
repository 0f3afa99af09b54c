//! `tickweave demo`.

use std::net::SocketAddr;
use std::path::Path;

use clap::Args;

use super::status::{self, thousands};
use super::{Outcome, run};
use crate::stderr;
use dataflows::config::{Config, RawConfig};
use dataflows::run::RunOptions;

/// The demo's configuration.
const CONFIG: &str = include_str!("../../../examples/demo.toml");

/// Watch candles of a simulated venue that two redundant providers send, and portfolios that trade
/// there; needs no configuration and no network. Some trades come late, twice, out of order, are corrected or
/// cancelled, and now and then a provider falls silent. `examples/demo.toml` configures the same.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave demo
  tickweave demo --port 9000 --ticks-per-second 2000 --backfill 0s")]
pub(super) struct Demo {
    /// Port to serve on at 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Worker threads [default: 1].
    #[arg(short, long)]
    workers: Option<usize>,
    /// Ticks per second, both providers together: 2 to 2,000,000.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=2_000_000))]
    ticks_per_second: u32,
    /// The same seed makes the same trades.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32))]
    seed: u32,
    /// For how long before the start there are bars at once: whole minutes up to 7d; 0s for none.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    backfill: String,
}

impl Demo {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let config = self.config()?;
        let ticks = thousands(self.ticks_per_second.into());
        run::live(config, RunOptions::default(), (json, true), |node| {
            stderr::line(&welcome(node.address(), &ticks, self.seed));
            Ok(status::show(node)?)
        })
    }

    fn config(&self) -> anyhow::Result<Config> {
        let mut raw = RawConfig::parse(CONFIG, "the demo's configuration")?;
        raw.http.listen = format!("127.0.0.1:{}", self.port);
        raw.job.workers = self.workers.unwrap_or(raw.job.workers);
        let providers = raw.source.iter().filter(|source| source.kind == "simulated").count();
        let each = self.ticks_per_second / u32::try_from(providers.max(1))?;
        for source in &mut raw.source {
            let seed = ("seed".to_owned(), toml::Value::from(i64::from(self.seed)));
            let ticks = ("ticks_per_second".to_owned(), toml::Value::from(i64::from(each)));
            let backfill = ("backfill".to_owned(), toml::Value::from(&*self.backfill));
            match source.rest.get_mut("venue") {
                Some(toml::Value::Table(venue)) => venue.extend([seed, ticks, backfill]),
                _ => source.rest.extend([seed, ticks, backfill]),
            }
            // The simulator cannot have more fills than its venue has ticks.
            if let Some(fills) = source.rest.get_mut("fills_per_second") {
                *fills = toml::Value::from(fills.as_integer().unwrap_or(1).min(each.into()));
            }
        }
        Ok(raw.check(Path::new("."))?)
    }
}

fn welcome(address: SocketAddr, ticks: &str, seed: u32) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "
tickweave {version}  a simulated venue: 50 symbols, two providers, {ticks} ticks/s, seed {seed}; Ctrl-C stops it
  open  http://{address}/
        http://{address}/v1/views  http://{address}/metrics  http://{address}/health
  try   curl 'http://{address}/v1/candles/demo:ALFA?timeframe=5s&limit=3'
        curl 'http://{address}/v1/views/positions?portfolio=alpha&limit=5'
        curl -N 'http://{address}/stream?view=portfolios&fields=pnl,equity'
"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn demo() -> Demo {
        let backfill = "90m".to_owned();
        Demo { port: 0, workers: Some(2), ticks_per_second: 500, seed: 7, backfill }
    }

    #[test]
    fn flags_reach_both_providers() {
        let demo = demo();
        let config = demo.config().unwrap();
        assert_eq!((config.workers, config.sources.len()), (2, 3));
        assert_eq!(config.toml.matches("ticks_per_second = 250").count(), 3);
        assert_eq!(config.toml.matches("seed = 7").count(), 3);
        assert_eq!(config.toml.matches("backfill = \"90m\"").count(), 3);
        assert!(config.sources.iter().all(|s| s.play.is_some_and(|play| play.as_if_now)));
    }

    /// Else portfolios trade what the venue never sent.
    #[test]
    fn the_providers_and_the_desk_are_of_one_venue() {
        let raw = RawConfig::parse(CONFIG, "the demo's configuration").unwrap();
        let venues = raw.source.iter().map(|source| {
            let own = |rest: BTreeMap<String, toml::Value>| {
                let of_providers = ["provider", "providers"];
                rest.into_iter().filter(|(key, _)| !of_providers.contains(&&**key)).collect()
            };
            match source.rest.get("venue") {
                Some(toml::Value::Table(venue)) => own(venue.clone().into_iter().collect()),
                _ => own(source.rest.clone()),
            }
        });
        let venues: Vec<BTreeMap<String, toml::Value>> = venues.collect();
        assert_eq!(venues.len(), 3);
        assert!(venues.iter().all(|venue| *venue == venues[0]), "{venues:#?}");
        assert_eq!(venues[0]["backfill"].as_str(), Some("24h"));
    }
}
