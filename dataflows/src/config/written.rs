//! Values as they are written, by their dotted paths.

use toml::{Table, Value};

use super::layers::{Fault, Layers};

impl Layers {
    /// Makes a list of the text that a variable or flag gives where a list is wanted: `TICKWEAVE__JOB__TIMEFRAMES=1m,5m`.
    /// Whether it has done so.
    pub(super) fn split_at_commas(&mut self, fault: &Fault) -> bool {
        let is_text = fault.problem.contains("invalid type: string ")
            && fault.problem.ends_with(", expected a sequence");
        if !is_text || !self.set.iter().any(|(path, _)| *path == fault.path) {
            return false;
        }
        let Some(value @ Value::String(_)) = value_at(&mut self.merged, &fault.path) else {
            return false;
        };
        let text = value.as_str().unwrap_or_default();
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
        *value = Value::Array(elements.map(Value::from).collect());
        true
    }
}

/// The value at a path.
pub(super) fn value_at<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    let mut keys = path.split('.');
    let mut value = table.get_mut(keys.next()?)?;
    for key in keys {
        value = match value {
            Value::Table(table) => table.get_mut(key)?,
            Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}
