//! `closed=true`: rows of bars that are over.

use rows::{ColumnType, View};

use super::parameter::{WordParameter, Words};
use super::query::Query;

/// Whether rows of bars that may still grow are left out.
pub(super) const CLOSED: WordParameter<bool> = WordParameter::new(
    "closed",
    Words::new(&["true", "false"], &[true, false]),
    "false",
    "`true` leaves out rows of bars that still grow: `final` and `revised` bars stay, and numbers and alerts of such; the \
     newest closed bar is `closed=true&limit=1`",
);

/// The words of a closed bar, and of what was decided at one.
const WORDS: [&str; 3] = ["final", "revised", "closed"];

/// The condition of [`CLOSED`] on a column: its number and the texts that it may have. Refused for views whose rows do
/// not say whether a bar is over.
pub(super) fn closed(query: &mut Query<'_>, view: &View) -> Option<(usize, Vec<String>)> {
    let condition = condition(view);
    if condition.is_none() {
        let why = format!(
            "cannot be asked of `{}`: its rows do not say whether a bar is over",
            view.name
        );
        query.reject(&CLOSED.declared, &why);
    }
    condition.filter(|_| query.word(&CLOSED))
}

/// The column that says whether a bar is over, and its words for that.
pub(super) fn condition(view: &View) -> Option<(usize, Vec<String>)> {
    ["state", "settled"].into_iter().find_map(|name| {
        let column = view.column(name)?;
        let ColumnType::Word(words) = view.columns[column].column_type else { return None };
        let words = words.iter().filter(|word| WORDS.contains(word));
        let words: Vec<String> = words.map(|&word| word.to_owned()).collect();
        (!words.is_empty()).then_some((column, words))
    })
}
