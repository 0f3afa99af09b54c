//! `docs/configuration.md` is generated from the code, and true.

mod page;
mod scan;
mod text;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A part of the page.
pub(super) struct Section {
    /// Its heading, which no other section has.
    pub(super) heading: &'static str,
    /// The source file of its struct.
    pub(super) file: &'static str,
    /// The struct whose fields are its keys.
    pub(super) name: &'static str,
    /// Its table in a configuration; of sources and sinks, with the kinds that have it.
    pub(super) path: &'static str,
}

/// Every section, in the order of the page.
#[rustfmt::skip]
pub(super) const SECTIONS: &[Section] = &[
    section("Top level", "dataflows/src/config/raw.rs", "RawConfig", ""),
    section("Job", "dataflows/src/config/raw.rs", "RawJob", "[job]"),
    section("Outliers", "dataflows/src/config/outliers.rs", "RawOutliers", "[outliers]"),
    section("Commits", "dataflows/src/config/raw.rs", "RawCommit", "[commit]"),
    section("Limits", "dataflows/src/config/raw.rs", "RawLimits", "[limits]"),
    section("State", "dataflows/src/config/raw.rs", "RawState", "[state]"),
    section("HTTP", "dataflows/src/config/raw_http.rs", "RawHttp", "[http]"),
    section("Limits of clients", "dataflows/src/config/raw_http.rs", "RawClientLimits", "[http.limits]"),
    section("TLS", "dataflows/src/config/raw_http.rs", "RawTls", "[http.tls]"),
    section("Recording", "dataflows/src/config/raw.rs", "RawRecording", "[recording]"),
    section("Calendars", "dataflows/src/config/raw.rs", "RawCalendar", "[[calendar]]"),
    section("Sessions of a calendar", "dataflows/src/config/raw.rs", "RawSession", "[[calendar.session]]"),
    section("Instruments", "dataflows/src/config/raw.rs", "RawInstrument", "[[instrument]]"),
    section("Rules", "dataflows/src/rules/raw.rs", "RawRule", "[[rule]]"),
    section("Crosses", "dataflows/src/rules/raw.rs", "RawCross", "[rule.cross]"),
    section("Thresholds", "dataflows/src/rules/raw.rs", "RawThreshold", "[rule.threshold]"),
    section("Breakouts", "dataflows/src/rules/raw.rs", "RawBreakout", "[rule.breakout]"),
    section("Defaults of portfolios", "dataflows/src/config/portfolios/raw.rs", "RawPortfolios", "[portfolios]"),
    section("Portfolios", "dataflows/src/config/portfolios/raw.rs", "RawPortfolio", "[[portfolio]]"),
    section("Rates", "dataflows/src/config/portfolios/raw.rs", "RawRate", "[[rate]]"),
    section("Risk", "dataflows/src/config/portfolios/raw.rs", "RawRisk", "[risk]"),
    section("Fair values", "dataflows/src/config/portfolios/raw.rs", "RawFair", "[[fair]]"),
    section("Sources", "dataflows/src/config/raw.rs", "RawSource", "[[source]]"),
    section("Play", "dataflows/src/config/raw.rs", "RawPlay", "[source.play]"),
    section("Source: file", "connectors/src/files/config.rs", "FileConfig", "[[source]] kind = \"file\""),
    section("Source: entries", "connectors/src/entries/source.rs", "EntriesConfig", "[[source]] kind = \"entries\""),
    section("Source: kafka", "connectors/src/kafka/config.rs", "KafkaConfig", "[[source]] kind = \"kafka\""),
    section("Source: redis-streams", "connectors/src/redis/streams.rs", "StreamsConfig", "[[source]] kind = \"redis-streams\""),
    section("Source: redis-pubsub", "connectors/src/redis/pubsub.rs", "PubSubConfig", "[[source]] kind = \"redis-pubsub\""),
    section("Source: simulated", "connectors/src/simulated/config.rs", "SimulatedConfig", "[[source]] kind = \"simulated\""),
    section("Faults of a simulated venue", "connectors/src/simulated/config.rs", "FaultsConfig", "[source.faults]"),
    section("Source: simulated-fills", "connectors/src/simulated/fills.rs", "FillsConfig", "[[source]] kind = \"simulated-fills\""),
    section("Messages", "connectors/src/messages/config.rs", "MessageConfig", "[[source]] kind = \"kafka\", \"redis-streams\" or \"redis-pubsub\""),
    section("Columns", "connectors/src/mapping/config.rs", "ColumnsConfig", "[source.columns]"),
    section("Units", "connectors/src/mapping/units.rs", "UnitsConfig", "[source.units]"),
    section("Records that count", "connectors/src/mapping/config.rs", "WhereConfig", "[source.where]"),
    section("Form of CSV", "connectors/src/delimited/config.rs", "CsvConfig", "[source.csv]"),
    section("Sinks", "dataflows/src/config/raw.rs", "RawSink", "[[sink]]"),
    section("Sink: file", "connectors/src/sinks/file.rs", "FileSinkConfig", "[[sink]] kind = \"file\""),
    section("Sink: kafka", "connectors/src/kafka/sink.rs", "KafkaSinkConfig", "[[sink]] kind = \"kafka\""),
    section("Sink: redis-hash", "connectors/src/redis/sinks/config.rs", "HashConfig", "[[sink]] kind = \"redis-hash\""),
    section("Sink: redis-streams", "connectors/src/redis/sinks/config.rs", "StreamsConfig", "[[sink]] kind = \"redis-streams\""),
    section("Sink: redis-pubsub", "connectors/src/redis/sinks/config.rs", "PubSubConfig", "[[sink]] kind = \"redis-pubsub\""),
    section("Sink: webhook", "connectors/src/notify/webhook.rs", "WebhookConfig", "[[sink]] kind = \"webhook\""),
    section("Sink: slack", "connectors/src/notify/slack.rs", "SlackConfig", "[[sink]] kind = \"slack\""),
    section("Sink: alertmanager", "connectors/src/notify/alertmanager/config.rs", "AlertmanagerConfig", "[[sink]] kind = \"alertmanager\""),
    section("Sink: email", "connectors/src/notify/email/config.rs", "EmailConfig", "[[sink]] kind = \"email\""),
    section("Notifications", "connectors/src/notify/config.rs", "NotifyConfig", "[[sink]] kind = \"webhook\", \"slack\" or \"email\""),
    section("HTTP targets", "connectors/src/notify/http_target.rs", "HttpTargetConfig", "[[sink]] kind = \"webhook\", \"slack\" or \"alertmanager\""),
    section("Redis server", "connectors/src/redis/server.rs", "ServerConfig", "[[source]] and [[sink]] kind = \"redis-…\""),
];

const fn section(
    heading: &'static str,
    file: &'static str,
    name: &'static str,
    path: &'static str,
) -> Section {
    Section { heading, file, name, path }
}

const PAGE: &str = "docs/configuration.md";
const WRITE: &str = "TICKWEAVE_WRITE_DOCS";

/// `path` from the root of the repository.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a source file.
fn read(path: &str) -> String {
    let at = in_repository(path);
    fs::read_to_string(&at).unwrap_or_else(|error| panic!("cannot read {}: {error}", at.display()))
}

/// The struct of a section.
fn structure_of(section: &Section) -> scan::Structure {
    let found = scan::structure(&read(section.file), section.name);
    found.unwrap_or_else(|| panic!("{} has no struct `{}`", section.file, section.name))
}

#[test]
fn the_page_shows_the_configuration_as_it_is() {
    let page = page::page();
    if std::env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::write(in_repository(PAGE), page).unwrap();
        return;
    }
    let written = fs::read_to_string(in_repository(PAGE)).unwrap_or_default();
    let at = page.lines().zip(written.lines()).position(|(new, old)| new != old);
    let at = at.unwrap_or_else(|| page.lines().count().min(written.lines().count()));
    assert!(
        page == written,
        "{PAGE} is not what the code says; write it anew with `{}`. Line {}:\n  is        {}\n  should be {}",
        page::COMMAND,
        at + 1,
        written.lines().nth(at).unwrap_or_default(),
        page.lines().nth(at).unwrap_or_default(),
    );
}

#[test]
fn every_table_and_every_kind_has_a_section() {
    let paths: BTreeSet<&str> = SECTIONS.iter().map(|section| section.path).collect();
    for field in structure_of(&SECTIONS[0]).fields {
        let (table, list) = (format!("[{}]", field.key), format!("[[{}]]", field.key));
        let is_shown = paths.contains(&*table) || paths.contains(&*list);
        assert!(is_shown, "add a section of `{table}` to SECTIONS");
    }
    let (sources, sinks) = (connectors::sources().kinds(), connectors::sinks().kinds());
    for (table, kinds) in [("[[source]]", sources), ("[[sink]]", sinks)] {
        for kind in kinds {
            let path = format!("{table} kind = \"{kind}\"");
            assert!(paths.contains(&*path), "add a section of `{path}` to SECTIONS");
        }
    }
    let headings: BTreeSet<&str> = SECTIONS.iter().map(|section| section.heading).collect();
    assert_eq!(headings.len(), SECTIONS.len(), "two sections have one heading");
}
