//! `docs/indicators.md` is generated from the lists of indicators and candlestick patterns, and true.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use operators::indicators::{INDICATORS, IndicatorSpec};
use operators::signals::PATTERNS;

/// Writes the page anew.
const COMMAND: &str = "TICKWEAVE_WRITE_DOCS=1 cargo test -p operators --test operators pages";

const INDICATORS_INTRODUCTION: &str = "An indicator is written with its parameters behind its name, such as `bb20_2` \
or `macd12_26_9`; those that are left out have their defaults. *Bars* are those of a timeframe that have a row and the \
prices that the indicator needs, in the order of time; bars count from 1. Of an indicator of one output the output has \
its name.";

const PATTERNS_INTRODUCTION: &str = "The *body* of a bar reaches from its open to its close, and it *rises* if the close \
is above the open, and *falls* if it is below. Its upper shadow reaches from the body to the high, its lower shadow \
from the low to the body. A bar or body is as large as the distance between its ends. Prices are compared as whole \
numbers at the price scale.";

fn indicator(spec: &dyn IndicatorSpec) -> String {
    let name = spec.name();
    let mut text = format!("## {name}\n\n");
    for line in wrapped(spec.doc()) {
        text += &line;
        text.push('\n');
    }
    let parameters = spec.parameters();
    if !parameters.is_empty() {
        text += "\n| parameter | default | may be |\n|---|---|---|\n";
        for parameter in parameters {
            let _ = writeln!(text, "| {} | {} | {parameter} |", parameter.name, parameter.default);
        }
    }
    if spec.outputs().len() > 1 {
        let _ = writeln!(text, "\nOutputs: `{}`.", spec.outputs().join("`, `"));
    }
    text
}

/// Lines of at most 120 columns.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        match line.is_empty() {
            true => line.push_str(word),
            false if line.chars().count() + 1 + word.chars().count() <= 120 => {
                line.push(' ');
                line.push_str(word);
            }
            false => lines.push(word.to_owned()),
        }
    }
    lines
}

fn page() -> String {
    let indicators: Vec<String> = INDICATORS.iter().map(|spec| indicator(*spec)).collect();
    let mut patterns =
        "| pattern | bars | it ends at a bar if that is |\n|---|---|---|\n".to_owned();
    for pattern in PATTERNS {
        let _ = writeln!(patterns, "| `{}` | {} | {} |", pattern.name, pattern.bars, pattern.doc);
    }
    format!(
        "# Indicators and candlestick patterns\n\nThis page is generated from the lists in the code. Do not edit it: \
         change the code and run the command below. A test\nfails while the page differs from the code.\n\n\
         ```sh\n{COMMAND}\n```\n\n{}\n\n{}\n## Candlestick patterns\n\n{}\n\n{patterns}",
        wrapped(INDICATORS_INTRODUCTION).join("\n"),
        indicators.join("\n"),
        wrapped(PATTERNS_INTRODUCTION).join("\n"),
    )
}

#[test]
fn the_page_shows_indicators_and_patterns_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/indicators.md");
    if std::env::var_os("TICKWEAVE_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, page()).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/indicators.md is old; write it anew with `{COMMAND}`");
}
