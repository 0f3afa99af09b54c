//! Layers.

use toml::{Table, Value};

/// A value as it is written in an environment variable or a flag: TOML if it is any, else text. Dates and
/// times are text, as they are in a configuration.
pub fn toml_or_text(text: &str) -> Value {
    let one_line = !text.contains(['\n', '\r']);
    let parsed = one_line.then(|| format!("value = {text}").parse::<Table>().ok()).flatten();
    match parsed.and_then(|mut table| table.remove("value")) {
        None | Some(Value::Datetime(_)) => Value::from(text),
        Some(value) => value,
    }
}
