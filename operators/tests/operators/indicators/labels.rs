//! Labels in configurations, and the errors of wrong ones.

use market::Calendars;
use operators::indicators::{Indicator, IndicatorError, IndicatorsConfig};

fn label(text: &str) -> String {
    text.parse::<Indicator>().map_or_else(|error| error.to_string(), |known| known.label())
}

#[test]
fn labels_parse_with_as_many_parameters_as_are_written() {
    assert_eq!(label("sma20"), "sma20");
    assert_eq!(label("rsi"), "rsi14");
    assert_eq!(label("macd"), "macd12_26_9");
    assert_eq!(label("macd5_35"), "macd5_35_9");
    assert_eq!(label("bb20_2.5"), "bb20_2.5");
    assert_eq!(label("bb20_2.0"), "bb20_2");
}

#[test]
fn errors_say_what_was_written_and_what_is_possible() {
    for (text, error) in [
        ("rsi0", "period of rsi is 0; it must be a whole number from 2 to 10000"),
        ("rsi14.5", "period of rsi is 14.5; it must be a whole number from 2 to 10000"),
        ("ema10001", "period of ema is 10001; it must be a whole number from 2 to 10000"),
        ("bb20_101", "deviations of bb is 101; it must be a number from 0 to 100"),
        ("macd26_12", "fast of macd is 26; it must be below slow, which is 12"),
        ("sma20_3", "`sma20_3` has 2 parameters; write sma or sma20 (period)"),
        (
            "macd12,26",
            "`12,26` in `macd12,26` is not a number; write macd or macd12_26_9 (fast, slow, signal)",
        ),
        ("bb20_", "`` in `bb20_` is not a number; write bb or bb20_2 (period, deviations)"),
        ("sma1e3", "`1e3` in `sma1e3` is not a number; write sma or sma20 (period)"),
    ] {
        assert_eq!(label(text), error);
    }
    for (text, nearest) in [
        ("smma20", Some("sma")),
        ("MACD", Some("macd")),
        ("SMA20", Some("sma20")),
        ("SMA_20", Some("sma20")),
        ("sma-20", Some("sma20")),
        ("MACD(12,26,9)", Some("macd12_26_9")),
        ("", None),
        ("telephone", None),
    ] {
        let error = text.parse::<Indicator>().unwrap_err();
        let IndicatorError::Unknown { nearest: outputs, known, .. } = &error else {
            panic!("{text}: {error}");
        };
        assert_eq!(outputs.as_deref(), nearest, "{error}");
        assert!(known.contains("rsi") && error.to_string().contains("rsi"), "{error}");
    }
}

#[test]
fn a_list_has_each_indicator_once() {
    let config = |texts: &[&str]| IndicatorsConfig::parse(Calendars::utc(), texts.iter().copied());
    assert_eq!(config(&["sma20", "sma5"]).unwrap().indicators().len(), 2);
    assert_eq!(config(&["sma", "sma20"]).unwrap_err().to_string(), "`sma20` is listed twice");
    let many: Vec<String> = (2..2_000).map(|period| format!("sma{period}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = config(&many).unwrap_err().to_string();
    assert_eq!(error, "1998 indicators are listed; a job has at most 1024");
}
