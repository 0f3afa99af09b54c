//! Which views are written, and how.

use rows::suggestions::closest;
use rows::{View, ViewList};

use crate::views::kinds::{KeyedView, LogView};
use crate::views::{CandlesView, IndicatorsView, RevisionLog, SignalsView, TradeLog};

/// The views of a job that are written to a folder at its end. Only views that a replay gives again ever are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WrittenViews {
    /// All, also those without rows.
    #[default]
    All,
    /// Candles and indicators, and of the others those that have rows, but not single trades, signals and revisions, of
    /// which there are very many.
    Results,
    /// Those of these names, also without rows.
    Named(Vec<String>),
}

/// How candles and indicators are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultLayout {
    /// As the views are: one file each, a row per bar, and a row per number of an indicator.
    #[default]
    Long,
    /// One file per timeframe, a row per bar, a column per number of an indicator.
    Wide,
}

impl WrittenViews {
    /// `all`, or names of views by commas; an error says which there are.
    pub fn parse(text: &str, views: ViewList) -> Result<WrittenViews, String> {
        if text == "all" {
            return Ok(WrittenViews::All);
        }
        let known = || views.views.iter().filter(|view| view.recorded).map(|view| view.name);
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !known().any(|view| view == name) {
                let near = closest(known(), name);
                let near = near.first().map(|near| format!(" (did you mean `{near}`?)"));
                let known = known().collect::<Vec<_>>().join(", ");
                let near = near.unwrap_or_default();
                return Err(format!(
                    "no view is called `{name}`{near}; write `all`, or some of {known}"
                ));
            }
            names.push(name.to_owned());
        }
        match names.is_empty() {
            true => Err("names no view".to_owned()),
            false => Ok(WrittenViews::Named(names)),
        }
    }

    /// Whether a view may be written.
    pub(crate) fn holds(&self, view: &str) -> bool {
        match self {
            WrittenViews::All => true,
            WrittenViews::Results => {
                ![TradeLog::VIEW.name, SignalsView::VIEW.name, RevisionLog::VIEW.name]
                    .contains(&view)
            }
            WrittenViews::Named(names) => names.iter().any(|name| name == view),
        }
    }

    /// Whether a view is written although it has no rows.
    pub(super) fn writes_empty(&self, view: &View) -> bool {
        let main = [CandlesView::VIEW.name, IndicatorsView::VIEW.name];
        *self != WrittenViews::Results || main.contains(&view.name)
    }
}
