use super::*;

const FILE: &str = r#"[job]
workers = 2
timeframes = ["1m", "5m"]

[[source]]
name = "a"
kind = "file"
paths = ["a.csv"]
instrument = "x:Y"
columns = { time = "t", price = "p", size = "q" }
disorder = "10s"
"#;

/// The layers of [`FILE`], these variables and, if not empty, `--workers`.
fn layers(variables: &[(&str, &str)], workers: Option<usize>) -> Result<Layers, ConfigError> {
    layers_of(FILE, variables)?.flag("job.workers", "--workers", workers)
}

fn layers_of(file: &str, variables: &[(&str, &str)]) -> Result<Layers, ConfigError> {
    let variables =
        variables.iter().map(|(name, value)| (format!("{PREFIX}{name}").into(), (*value).into()));
    let others = [("TICKWEAVE_HOME".into(), "/".into()), ("PATH".into(), "/bin".into())];
    let file = Layers::parse(file.to_owned(), "c.toml".to_owned(), Path::new("."))?;
    file.environment(variables.chain(others))
}

fn error(file: &str, variables: &[(&str, &str)]) -> String {
    let checked = layers_of(file, variables).and_then(|layers| layers.check());
    checked.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn flags_are_above_the_environment_and_the_environment_is_above_the_file() {
    let workers = |variables: &[_], flag| layers(variables, flag).unwrap().check().unwrap().workers;
    assert_eq!(workers(&[], None), 2);
    assert_eq!(workers(&[("JOB__WORKERS", "3")], None), 3);
    assert_eq!(workers(&[("JOB__WORKERS", "3")], Some(4)), 4);
}

#[test]
fn variables_reach_everything() {
    let variables = [
        ("HTTP__LISTEN", "127.0.0.1:9"),
        ("JOB__TIMEFRAMES", r#"["10s"]"#),
        ("JOB__NOT_AFTER", "2024-01-01T00:00:00Z"),
        ("SOURCE__0__PATHS", r#"["b.csv", "c.csv"]"#),
        ("SOURCE__0__UNITS__TIME", "ms"),
        ("SOURCE__1__NAME", "second"),
        ("SOURCE__1__KIND", "file"),
        ("SOURCE__1__CODEC", "binance-stream"),
        ("SOURCE__1__PATHS", r#"["d"]"#),
        ("SOURCE__1__SYMBOLS", r#"{ BTCUSDT = "own:XBT" }"#),
        ("INSTRUMENT__0", r#"{ pattern = "*", price_decimals = 2 }"#),
    ];
    let config = layers(&variables, None).unwrap().check().unwrap();
    assert_eq!(config.listen.port(), 9);
    assert_eq!(config.job.timeframes().len(), 1);
    let names = &config.sources[0].names.partitions;
    assert_eq!([names.of(0), names.of(1)], ["b.csv", "c.csv"]);
    assert_eq!(config.sources[1].names.name, "second");
    assert_eq!(config.catalog.resolve("own:Z").unwrap().spec.price_scale, 2);
}

#[test]
fn an_error_names_its_place() {
    let with = |from: &str, to: &str| FILE.replace(from, to);
    for (file, variables, want) in [
        (with("= 2", "= 0"), &[][..], "c.toml:2:11: job.workers: 0 is not between 1 and 256"),
        (
            with("\"5m\"", "\"7m\""),
            &[],
            "c.toml:3:14: job.timeframes: `7m` is not a timeframe here: it does not divide a day of calendar `UTC`, and it has no sessions (near it are 4m, 5m, 6m, 8m, 9m, 10m)",
        ),
        (
            with("\"10s\"", "\"2h\""),
            &[],
            "c.toml:11:12: source[0] (name `a`).disorder: 2h is more than job.reject_after = 1h",
        ),
        (
            with("paths", "path"),
            &[],
            "c.toml:8:8: source[0] (name `a`): unknown field `path`, expected one of `paths`, `follow`, `codec`",
        ),
        (
            with("\"file\"", "\"fil\""),
            &[],
            "c.toml:5:1: source[0] (name `a`): unknown source kind `fil` (known: entries, file, kafka, redis-pubsub, redis-streams, simulated, simulated-fills)",
        ),
        (
            with("workers", "wokers"),
            &[],
            "c.toml:2:10: job.wokers: unknown field `wokers`, expected one of `kind`, `workers`",
        ),
        (with("workers", "workers ="), &[], "c.toml:2:"),
        (
            with("", ""),
            &[("JOB__WORKERS", "many")],
            "TICKWEAVE__JOB__WORKERS: job.workers: a text is written, and a whole number from 0 is wanted",
        ),
        (
            with("", ""),
            &[("JOB__WORKERS", "0")],
            "TICKWEAVE__JOB__WORKERS: job.workers: 0 is not between 1 and 256",
        ),
        (
            with("", ""),
            &[("JOB__WOKERS", "1")],
            "TICKWEAVE__JOB__WOKERS: job.wokers: unknown field `wokers`, expected one of `kind`, `workers`, ",
        ),
        (with("", ""), &[("HTP__LISTEN", "1")], "TICKWEAVE__HTP__LISTEN: htp: unknown field `htp`"),
        (
            with("", ""),
            &[("SOURCE__0__PATH", "[]")],
            "TICKWEAVE__SOURCE__0__PATH: source[0] (name `a`): unknown field `path`, ",
        ),
        (
            with(
                "columns = { time = \"t\", price = \"p\", size = \"q\" }",
                "codec = \"binance-stream\"\noptions = {}",
            ),
            &[("SOURCE__0__OPTIONS__EVENTS", "aggTrade")],
            "TICKWEAVE__SOURCE__0__OPTIONS__EVENTS: source[0] (name `a`): `options` of codec",
        ),
        (
            with("", ""),
            &[("SOURCE__1__NAME", "b")],
            "TICKWEAVE__SOURCE__1__NAME: source[1] (name `b`): unknown source kind `` (known: entries, file, kafka, redis-pubsub, redis-streams, simulated, simulated-fills)",
        ),
        (
            with("reject_after", "").replace("[job]", "[job]\ncorrection_horizon = \"5m\""),
            &[],
            "c.toml:1:2: job.reject_after: 1h is more than job.correction_horizon = 5m",
        ),
        (
            with("", ""),
            &[("SOURCE__0__DISORDER", "2h")],
            "TICKWEAVE__SOURCE__0__DISORDER: source[0] (name `a`).disorder: 2h is more than",
        ),
        (
            with("", ""),
            &[("SOURCE__2__NAME", "c")],
            "TICKWEAVE__SOURCE__2__NAME: `source` has 1 elements: write a number from 0 to 1, not `2`",
        ),
        (
            with("", ""),
            &[("JOB__WORKERS__MAX", "1")],
            "TICKWEAVE__JOB__WORKERS__MAX: `workers` is a value, so it holds no `max`",
        ),
        (with("", ""), &[("JOB__", "1")], "TICKWEAVE__JOB__: has an empty key between two `__`"),
        (
            with("", ""),
            &[("JOB__REJECT_AFTER", "2d")],
            "TICKWEAVE__JOB__REJECT_AFTER: job.reject_after: 2d is more than job.correction_horizon",
        ),
    ] {
        let found = error(&file, variables);
        assert!(found.starts_with(want), "{variables:?}:\n{found}\n{want}");
    }
    for (variable, want) in
        [("JOB__WOKERS", "workers"), ("HTP__LISTEN", "http"), ("SOURCE__0__PATH", "paths")]
    {
        let found = error(FILE, &[(variable, "1")]);
        assert!(found.ends_with(&format!("; the nearest is `{want}`")), "{found}");
    }
}

#[test]
fn variables_may_list_by_commas() {
    let variables = [("JOB__TIMEFRAMES", "1m, 5m,1h"), ("SOURCE__0__PATHS", "b.csv,c.csv")];
    let config = layers(&variables, None).unwrap().check().unwrap();
    assert_eq!(config.job.timeframes().len(), 3);
    assert_eq!(config.sources[0].names.partitions.of(1), "c.csv");
}

#[test]
fn every_value_is_explained() {
    let layers = layers(&[("SOURCE__0__UNITS__TIME", "ms")], Some(3)).unwrap();
    let config = layers.check().unwrap();
    let explained = layers.explained(&config);
    for line in [
        "workers = 3  # --workers",
        "timeframes = [\"1m\", \"5m\"]  # c.toml:3:14",
        "calendar = \"UTC\"  # default",
        "listen = \"127.0.0.1:8080\"  # default",
        "disorder = \"10s\"  # c.toml:11:12",
        "rank = 0  # default",
        "zero_size = \"ignore\"  # default",
        "decimal_mark = \".\"  # default",
        "price = \"p\"  # c.toml:10:33",
        "time = \"ms\"  # TICKWEAVE__SOURCE__0__UNITS__TIME",
    ] {
        assert!(explained.lines().any(|own| own == line), "no {line} in\n{explained}");
    }
    let again: RawConfig = toml::from_str(&explained).unwrap();
    assert_eq!(again.check(Path::new(".")).unwrap().toml, config.toml, "still TOML");
}

#[test]
fn places_of_errors_become_paths() {
    assert_eq!(path_of("source[0] (name `a (b)`).play"), "source.0.play");
    assert_eq!(path_of("source (number of sources)"), "source");
}

/// Keys and kinds by their old names: in a file, in the environment, in a recorded configuration.
#[test]
fn old_names_still_work() {
    let file = "[job]\nskew = \"3s\"\n[http]\ninlet = false\n[[instrument]]\npattern = \"*\"\nquote = \"USD\"\n\
                [[source]]\nname = \"fills\"\nkind = \"simulated-desk\"\nportfolios = [\"north\"]";
    let config = layers_of(file, &[]).unwrap().check().unwrap();
    assert_eq!((config.max_clock_ahead, config.http_ingest), (market::Span::secs(3), None));
    assert_eq!(config.sources[0].kind, "simulated-fills");
    assert!(config.toml.contains("max_clock_ahead = \"3s\"\n"), "{}", config.toml);

    let above = [("JOB__SKEW", "4s"), ("HTTP__INLET", "true")];
    let config = layers_of(file, &above).unwrap().check().unwrap();
    assert_eq!(
        (config.max_clock_ahead, config.http_ingest.is_some()),
        (market::Span::secs(4), true)
    );

    let recorded = RawConfig::parse(file, "recorded").unwrap();
    assert_eq!((recorded.job.max_clock_ahead.as_str(), recorded.http.ingest), ("3s", false));
    let error = error(&file.replace("3s", "x"), &[]);
    assert!(error.starts_with("c.toml:2:8: job.max_clock_ahead: "), "{error}");
}
