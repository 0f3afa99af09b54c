use super::*;

const SOURCE: &str = r#"
[[source]]
name = "a"
kind = "file"
paths = ["a.csv"]
instrument = "x:Y"
columns = { time = "t", price = "p", size = "q" }
"#;

fn check(head: &str, source: &str) -> Result<Config, String> {
    let text = format!("{head}\n{source}");
    RawConfig::parse(&text, "c.toml")
        .and_then(|raw| raw.check(Path::new(".")))
        .map_err(|error| error.to_string())
}

#[test]
fn the_smallest_configuration_has_the_defaults() {
    let config = check("", SOURCE).unwrap();
    assert_eq!(config.workers, 1);
    assert_eq!(config.job.timeframes().len(), 6);
    assert_eq!(config.sources[0].timing.disorder, Span::secs(5));
    assert_eq!(config.sources[0].timing.idle_after, None, "a file is never idle");
}

/// Whatever is live and quiet follows the clock, unless it is configured otherwise; nothing is given up.
#[test]
fn quiet_sources_follow_the_clock_by_default() {
    let messages =
        "instrument = \"x:Y\"\ncolumns = { time = \"t\", price = \"p\", size = \"q\" }\n";
    for kind in [
        "kind = \"redis-streams\"\nurl = \"redis://127.0.0.1\"\nstreams = [\"s\"]\npayload = \"d\"",
        "kind = \"redis-pubsub\"\nurl = \"redis://127.0.0.1\"\nchannels = [\"s\"]",
        "kind = \"kafka\"\nservers = \"127.0.0.1:9\"\ntopics = [\"s\"]",
    ] {
        let source = format!("[[source]]\nname = \"s\"\n{kind}\n{messages}");
        let config = check("", &source).unwrap();
        let timing = &config.sources[0].timing;
        assert_eq!(timing.idle_after, Some(Span::secs(30)), "{kind}");
        assert_eq!(timing.give_up_after, None, "{kind}");
        assert_eq!(config.http_grace, Span::secs(60));
        assert_eq!(config.alignment, Span::secs(3_600));
    }
}

#[test]
fn what_is_written_comes_back_from_a_recording() {
    let config = check("[job]\nworkers = 3\ncalendar = \"America/New_York\"", SOURCE).unwrap();
    let again = RawConfig::parse(&config.toml, "recorded").unwrap().check(Path::new(".")).unwrap();
    assert_eq!(again.toml, config.toml);
    assert_eq!(again.calendars, config.calendars);
}

#[test]
fn wrong_values_say_where_and_what_is_possible() {
    for (head, source, want) in [
        ("[job]\nworkers = 0", SOURCE, "job.workers: 0 is not between 1 and 256"),
        (
            "[job]\ntimeframes = [\"1m\", \"7M\"]",
            SOURCE,
            "`7M` is not a timeframe (possible: whole seconds",
        ),
        (
            "[job]\ntimeframes = [\"1m\", \"7m\"]",
            SOURCE,
            "`7m` is not a timeframe here: it does not divide a day of calendar `UTC`, and it has no sessions (near it are \
             4m, 5m, 6m, 8m, 9m, 10m)",
        ),
        (
            "[job]\ntimeframes = [\"1m\", \"65m\"]",
            &format!("[[instrument]]\npattern = \"us:*\"\ncalendar = \"us-equities\"\n{SOURCE}"),
            "it does not divide a day of calendar `UTC`",
        ),
        (
            "[job]\ntimeframes = [\"1m\", \"64m\"]\ncalendar = \"us-equities\"",
            SOURCE,
            "`us-equities`, nor any of its regular sessions (near it are 45m, 48m, 1h, 65m",
        ),
        ("[job]\ntimeframes = [\"45m\", \"1h\"]", SOURCE, "(with 15m as well, all are of 15m)"),
        ("[job]\ntimeframes = [\"1w\", \"1M\"]", SOURCE, "(with 1d as well, all are of 1d)"),
        (
            "[job]\nweek_starts = \"noon\"",
            SOURCE,
            "job.week_starts: `noon` is not a day of the week",
        ),
        (
            "[job]\ntimeframes = [\"10s\", \"15s\"]",
            SOURCE,
            "bars of 15s are not unions of bars of 10s, the smallest timeframe (with 5s as well",
        ),
        ("[job]\ntimeframes = []", SOURCE, "at least one timeframe"),
        ("[job]\nreject_after = \"2d\"", SOURCE, "2d is more than job.correction_horizon = 1d"),
        ("[job]\nreject_after = \"soon\"", SOURCE, "`soon` is not a length of time"),
        ("[job]\nnot_after = \"2018\"", SOURCE, "`2018` is not an RFC 3339 time"),
        ("[job]\ncalendar = \"Mars\"", SOURCE, "unknown calendar `Mars`"),
        ("[outliers]\nbars = 1001", SOURCE, "outliers.bars: 1001 is not between 0 and 1000"),
        ("[outliers]\ndeviations = 0", SOURCE, "outliers.deviations: 0 is not between 1 and 1000"),
        ("[outliers]\nfloor_bps = 10001", SOURCE, "outliers.floor_bps: 10001 is not between 0 and"),
        ("[outliers]\nfloor = 1", SOURCE, "unknown field `floor`"),
        ("[commit]\nperiod = \"0s\"", SOURCE, "commit.period: 0s is not between"),
        ("[http]\nlisten = \"everywhere\"", SOURCE, "`everywhere` is not an address"),
        ("[jobs]\nworkers = 1", SOURCE, "unknown field `jobs`"),
        ("[http]\ningest = false", "", "number of sources): 0 is not between 1 and 64"),
        ("", &SOURCE.replace("\"a\"", "\"http\""), "rows that clients send are the source `http`"),
        ("[http]\nbody_bytes = 0", SOURCE, "http.body_bytes: 0 is not between"),
        ("[[instrument]]\npattern = \"*\"\nquote = \"usd\"", SOURCE, "`usd` is not a currency"),
        ("[[instrument]]\npattern = \"*\"\nmultiplier = 0", SOURCE, "a multiplier of 0"),
        ("", &SOURCE.replace("\"a\"", "\"\""), "a source needs a `name`"),
        ("", &format!("{SOURCE}{SOURCE}"), "another source has this name"),
        (
            "",
            &format!(
                "{}contiguous_ids = true\n{}",
                SOURCE.replace("size = \"q\"", "size = \"q\", id = \"i\""),
                SOURCE
                    .replace("\"a\"", "\"b\"")
                    .replace("size = \"q\"", "size = \"q\", id = \"i\"")
            ),
            "source[1] (name `b`): the ids of scope `x` are contiguous by one source and not by another",
        ),
        ("[limits]\ngaps = 0", SOURCE, "limits.gaps: 0 is not between 1 and"),
        (
            "",
            &SOURCE.replace("\"file\"", "\"kafak\""),
            "unknown source kind `kafak` (known: entries, file, kafka, redis-pubsub, redis-streams, simulated, simulated-fills)",
        ),
        ("", &SOURCE.replace("paths", "path"), "unknown field `path`"),
        ("", &format!("{SOURCE}disorder = \"2h\""), "2h is more than job.reject_after = 1h"),
        ("", &format!("{SOURCE}play = {{ speed = 0.0 }}"), "`speed` must be above 0"),
        ("[[instrument]]\npattern = \"*\"\nprice_decimals = 19", SOURCE, "above 18 decimals"),
    ] {
        let error = check(head, source).err().unwrap_or_default();
        assert!(error.contains(want), "{head} {source}: `{error}` lacks `{want}`");
    }
}

#[test]
fn timeframes_that_divide_days_or_sessions_and_longer_ones() {
    let frames = |head: &str| {
        let config = check(&format!("[job]\n{head}"), SOURCE).unwrap();
        config.job.timeframes().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let all = r#"timeframes = ["1m", "45m", "72m", "90m", "1d", "3d", "1w", "1mo", "1q", "1y"]"#;
    assert_eq!(frames(all), "1m 45m 72m 90m 1d 3d 1w 1M 3M 1y");
    let shares = "timeframes = [\"65m\", \"1d\", \"1M\"]\ncalendar = \"us-equities\"";
    assert_eq!(frames(shares), "65m 1d 1M");
    let sunday = check("[job]\ntimeframes = [\"1w\"]\nweek_starts = \"sun\"", SOURCE).unwrap();
    let calendar = sunday.calendars.iter().next().unwrap();
    let wednesday = market::EventTime::parse_any("2024-06-05T00:00:00Z").unwrap();
    let week = calendar.bucket("1w".parse().unwrap(), wednesday);
    assert_eq!(week.open.rfc3339(), "2024-06-02T00:00:00Z");
}

#[test]
fn a_job_without_bars_takes_nothing_that_is_computed_on_them() {
    let ticks = "[job]\nkind = \"ticks\"\n";
    let config = check(ticks, SOURCE).unwrap();
    assert_eq!(config.job.kind.name, "ticks");
    assert!(config.labels().indicators.is_empty(), "the default indicators are not computed");
    assert_eq!(check("", SOURCE).unwrap().job.kind.name, "candles");
    let rule = "[[rule]]\nname = \"r\"\nbreakout = { bars = 5, direction = \"above\" }";
    let sink =
        "[[sink]]\nname = \"s\"\nkind = \"file\"\nviews = [\"candles\"]\npath = \"c.ndjson\"";
    let only = "the job `ticks` shows no bars, and computes no";
    for (head, tail, want) in [
        (
            "[job]\nkind = \"tick\"",
            "",
            "job.kind: no job is named `tick` (known: candles (".to_owned(),
        ),
        (
            &*format!("{ticks}indicators = [\"sma5\"]"),
            "",
            format!("job.indicators: {only} indicators"),
        ),
        (ticks, rule, format!("rule: {only} rules")),
        (ticks, "[[portfolio]]\nname = \"p\"", format!("portfolio: {only} portfolios")),
        (ticks, "[risk]\nbars = 7", format!("risk: {only} portfolios")),
        (ticks, sink, "this job has no view `candles`, but the job `candles` has".to_owned()),
    ] {
        let error = check(head, &format!("{SOURCE}{tail}")).err().unwrap();
        assert!(error.contains(&want), "{error} does not say {want}");
    }
}
