use std::path::Path;

use super::super::{Config, RawConfig};
use super::*;

fn check(text: &str) -> Result<Config, String> {
    let head = "[job]\ntimeframes = [\"1m\", \"1h\"]\nindicators = [\"sma20\", \"bb20_2\"]\n";
    let instruments =
        "[[instrument]]\npattern = \"fx:EURUSD\"\nquote = \"USD\"\nprice_decimals = 5\n";
    let raw = RawConfig::parse(&format!("{head}{instruments}{text}"), "c.toml");
    raw.and_then(|raw| raw.check(Path::new("."))).map_err(|error| error.to_string())
}

#[test]
fn without_a_word_everything_has_a_default() {
    let portfolios = check("").unwrap().portfolios;
    assert_eq!(portfolios.currency.to_string(), "USD");
    assert!(portfolios.known.is_empty() && portfolios.rates.len() == 3, "those of hundredths");
    let Risk { timeframe, bars, confidence } = portfolios.risk;
    assert_eq!((timeframe.to_string().as_str(), bars, confidence), ("1h", 250, Confidence::P95));
}

const ALL: &str = r#"
    [portfolios]
    currency = "EUR"

    [[portfolio]]
    name = "p1"
    capital = "50000000000.125"
    benchmark = "us:SPY"

    [[portfolio]]
    name = "p2"
    currency = "USD"
    capital = 1000

    [[rate]]
    pair = "EUR/USD"
    instrument = "fx:EURUSD"

    [[rate]]
    pair = "EUR/DKK"
    fixed = 7.46038

    [risk]
    timeframe = "1m"
    bars = 60
    confidence = 0.99

    [[fair]]
    model = "mean"
    indicator = "bb20"
    output = "middle"
    timeframe = "1h"
"#;

#[test]
fn everything_that_can_be_said() {
    let config = check(ALL).unwrap();
    let portfolios = &config.portfolios;
    let currency = |name| Currency::of(name).unwrap();
    let spy = Some(InstrumentId::of("us:SPY"));
    let p1 = Portfolio {
        id: PortfolioId::of("p1"),
        currency: currency("EUR"),
        capital: 50_000_000_000_125_000_000,
        benchmark: spy,
    };
    let p2 = Portfolio {
        id: PortfolioId::of("p2"),
        currency: currency("USD"),
        capital: 1_000_000_000_000,
        benchmark: None,
    };
    assert_eq!(portfolios.known, [p1, p2]);
    let (first, second) = (currency("EUR"), currency("USD"));
    let instrument = InstrumentId::of("fx:EURUSD");
    let [rate, peg, pence, ..] = portfolios.rates[..] else { panic!("{:?}", portfolios.rates) };
    assert_eq!((rate.base, rate.quote), (first, second));
    let RateSource::Mark { instrument: read, spec } = rate.source else { panic!("{rate:?}") };
    assert_eq!((read, spec.price_scale), (instrument, 5));
    let fixed = |price, scale| RateSource::Fixed { price: Price(price), scale };
    assert_eq!((peg.source, pence.source), (fixed(746_038, 5), fixed(100, 0)));
    let timeframe = "1h".parse().unwrap();
    let model = ModelId::of("mean");
    assert_eq!(portfolios.computed, [Computed { model, indicator: 1, output: 1, timeframe }]);
    assert!(config.catalog.models.resolve("mean").is_err(), "no source may send its values");
    assert_eq!(config.catalog.portfolios.all().len(), 2);

    let again = RawConfig::parse(&config.toml, "recorded").unwrap();
    let again = again.check(Path::new(".")).unwrap();
    assert_eq!((&again.portfolios, &again.toml), (portfolios, &config.toml));
}

#[test]
fn what_is_wrong_says_where_and_what_is_possible() {
    let rate = "[[rate]]\npair = \"EUR/USD\"\ninstrument = \"fx:EURUSD\"\n";
    let again = rate.replace("EUR/USD", "USD/EUR");
    let fair = "[[fair]]\nmodel = \"m\"\nindicator = \"sma20\"\ntimeframe = \"1m\"\n";
    for (text, want) in [
        ("[portfolios]\ncurrency = \"usd\"", "portfolios.currency: `usd` is not a currency"),
        ("[portfolios]\ncurency = \"USD\"", "unknown field `curency`"),
        ("[[portfolio]]\nname = \"\"", "portfolio[0] (name ``): `` is not a name of a portfolio"),
        (
            "[[portfolio]]\nname = \"a\"\n[[portfolio]]\nname = \"a\"",
            "portfolio[1] (name `a`): another portfolio",
        ),
        ("[[portfolio]]\nname = \"a\"\ncurrency = \"€\"", "`€` is not a currency"),
        ("[[portfolio]]\nname = \"a\"\ncapital = -1", "capital = -1 is below 0"),
        ("[[portfolio]]\nname = \"a\"\ncapital = \"1e20\"", "more than sums of money can hold"),
        ("[[portfolio]]\nname = \"a\"\ncapital = \"much\"", "capital = much is not an amount"),
        ("[[portfolio]]\nname = \"a\"\ncapital = true", "an amount such as 50000"),
        (
            "[[portfolio]]\nname = \"a\"\nbenchmark = \"a b\"",
            "benchmark: `a b` is not an instrument",
        ),
        (
            "[limits]\nportfolios = 0\n[[portfolio]]\nname = \"a\"",
            "more than the 0 that `limits.portfolios`",
        ),
        (
            "[[rate]]\npair = \"GBP/GBX\"",
            "needs either `instrument`, whose price it is, or `fixed`",
        ),
        (&format!("{rate}fixed = 1"), "needs either `instrument`"),
        ("[[rate]]\npair = \"GBP/GBX\"\nfixed = 0", "fixed = 0 is not above 0"),
        ("[[rate]]\npair = \"GBP/GBX\"\nfixed = \"1e-10\"", "fixed = 1e-10 "),
        ("[[instrument]]\npattern = \"x\"\nmultiplier = 0", "a multiplier of 0"),
        ("[[instrument]]\npattern = \"x\"\nmultiplier = 1e-10", "has at most 9 decimals"),
        (&rate.replace("/", "-"), "rate[0] (pair `EUR-USD`): is not a pair"),
        (&rate.replace("EUR", "USD"), "is not a pair of two currencies"),
        (&format!("{rate}{again}"), "rate[1] (pair `USD/EUR`): EUR/USD says already"),
        (&rate.replace("EUR/USD", "USD/JPY"), "prices of fx:EURUSD are in USD"),
        (
            "[risk]\ntimeframe = \"1d\"",
            "risk.timeframe: timeframe 1d is not among job.timeframes (1m, 1h)",
        ),
        ("[risk]\nbars = 0", "risk.bars: 0 is not between 1 and 5000"),
        ("[risk]\nconfidence = 1.0", "risk.confidence: 1 is not one of 0.90"),
        (&fair.replace("sma20", "sma9"), "fair[0] (model `m`): `sma9` is not among job.indicators"),
        (&fair.replace("sma20", "smaa"), "`smaa` is not an indicator"),
        (&format!("{fair}output = \"middle\""), "has no output `middle` (possible: "),
        (&fair.replace("1m", "5m"), "timeframe 5m is not among job.timeframes (1m, 1h)"),
        (&format!("{fair}{fair}"), "fair[1] (model `m`): another [[fair]]"),
    ] {
        let error = check(text).err().unwrap_or_default();
        assert!(error.contains(want), "{text}: `{error}` lacks `{want}`");
    }
}
