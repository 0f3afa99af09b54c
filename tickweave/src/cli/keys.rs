//! `tickweave keys`: makes, lists and revokes API keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use market::{EventTime, TimeUnit};
use node_api::{ApiKey, RowLimits, Scopes, UnknownScope};
use serde_json::{Value, json};

use super::{Outcome, print};
use crate::keys::{KeyFile, NewKey};
use crate::stderr::say;

/// Make, list and revoke API keys. A process that uses the file heeds each change within two seconds.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave keys create --name charts --scopes read --symbol binance:BTCUSDT --view candles
  tickweave keys create --file /etc/tickweave/keys.toml --name feed --scopes ingest --expires 2027-12-31T00:00:00Z
  tickweave keys list
  tickweave keys revoke 9f2c41d07ab3

`keys = \"keys.toml\"` in `[http]` has a job use the file. A request has its key in the header
`Authorization: Bearer KEY`.")]
pub(super) struct Keys {
    #[command(subcommand)]
    what: What,
    /// The file of keys.
    #[arg(long, global = true, value_name = "FILE", default_value = "keys.toml")]
    file: PathBuf,
}

#[derive(Subcommand)]
enum What {
    /// Make a key, and show it: the only time, since its hash alone is kept.
    Create(Create),
    /// List the keys.
    List,
    /// Revoke a key: its requests are refused, and what it follows ends.
    Revoke {
        /// The id of the key, as `list` shows it.
        id: String,
    },
}

#[derive(Args)]
struct Create {
    /// What you call it.
    #[arg(long)]
    name: String,
    /// What it may do: read, ingest, control, admin (all of these); several by commas.
    #[arg(long, value_parser = scopes)]
    scopes: Scopes,
    /// Only this view; several times for several.
    #[arg(long, value_name = "VIEW")]
    view: Vec<String>,
    /// Only rows of this instrument, by its whole name; several times for several.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Vec<String>,
    /// Only rows of this portfolio; several times for several.
    #[arg(long, value_name = "PORTFOLIO")]
    portfolio: Vec<String>,
    /// From when on it is good for nothing, such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<EventTime>,
}

fn scopes(text: &str) -> Result<Scopes, UnknownScope> {
    text.parse()
}

fn time(text: &str) -> Result<EventTime, String> {
    EventTime::parse(text, TimeUnit::Rfc3339).map_err(|error| format!("`{text}` {error}"))
}

impl Keys {
    pub(super) fn run(self, is_json: bool) -> anyhow::Result<Outcome> {
        let file = KeyFile::at(&self.file);
        match self.what {
            What::Create(create) => create.run(&file, is_json)?,
            What::List if is_json => {
                let keys: Vec<Value> = file.keys()?.iter().map(about).collect();
                print(&format!("{}\n", serde_json::to_string_pretty(&json!({ "keys": keys }))?))?;
            }
            What::List => file.keys()?.iter().try_for_each(|key| print(&line(key)))?,
            What::Revoke { id } => {
                let key = file.revoke(&id)?;
                match is_json {
                    true => print(&format!("{}\n", json!({ "revoked": about(&key) })))?,
                    false => print(&format!("revoked {} ({})\n", key.id, key.name))?,
                }
            }
        }
        Ok(Outcome::Done)
    }
}

impl Create {
    fn run(self, file: &KeyFile, is_json: bool) -> anyhow::Result<()> {
        let Create { name, scopes, view, symbol, portfolio, expires } = self;
        let only = |names: Vec<String>| (!names.is_empty()).then_some(names);
        let limits =
            RowLimits { views: only(view), symbols: only(symbol), portfolios: only(portfolio) };
        let (key, presented) = file.create(NewKey { name, scopes, limits, expires })?;
        if is_json {
            let mut made = about(&key);
            made["key"] = presented.text().into();
            return print(&format!("{made}\n"));
        }
        print(&format!("{}\n", presented.text()))?;
        say!("key {} ({}) is in {}; it is not shown again", key.id, key.name, file.shown());
        Ok(())
    }
}

fn about(key: &ApiKey) -> Value {
    let RowLimits { views, symbols, portfolios } = &key.limits;
    json!({
        "id": key.id, "name": key.name, "scopes": key.scopes.names(),
        "views": views, "symbols": symbols, "portfolios": portfolios,
        "created": key.created.rfc3339(), "expires": key.expires.map(EventTime::rfc3339),
    })
}

fn line(key: &ApiKey) -> String {
    let RowLimits { views, symbols, portfolios } = &key.limits;
    let limits = [("views", views), ("symbols", symbols), ("portfolios", portfolios)];
    let limits = limits
        .into_iter()
        .filter_map(|(kind, names)| Some(format!("  {kind}={}", names.as_ref()?.join(","))));
    let limits: String = limits.collect();
    let expires = key.expires.map(|at| format!("  until {}", at.rfc3339())).unwrap_or_default();
    let (id, name, scopes) = (&key.id, &key.name, key.scopes);
    format!("{id}  {name}  {scopes}{limits}  since {}{expires}\n", key.created.rfc3339())
}
