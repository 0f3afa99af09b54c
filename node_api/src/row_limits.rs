//! Which rows a key may see and send.

/// The views, symbols and portfolios to which a key is limited; none: to no such. The default is no limit at all.
///
/// Rows that a key may not see are for it as if they were not there:
///
/// * With `views` there are no other views.
/// * With `symbols` there are only rows of these instruments, and none in a view without a column `instrument`.
/// * With `portfolios` there are only rows of these portfolios in a view with a column `portfolio`. Views with neither
///   that column nor `instrument` have no rows: what they say of the process may be about any portfolio.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowLimits {
    /// Names of views.
    pub views: Option<Vec<String>>,
    /// Whole names of instruments, such as `binance:BTCUSDT`.
    pub symbols: Option<Vec<String>>,
    /// Names of portfolios.
    pub portfolios: Option<Vec<String>>,
}

impl RowLimits {
    /// The most names of one kind.
    pub const NAMES_MAX: usize = 1_000;

    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        self.views.is_none() && !self.limits_rows()
    }

    /// Whether rows of a view may be left out.
    pub fn limits_rows(&self) -> bool {
        self.symbols.is_some() || self.portfolios.is_some()
    }

    /// Whether there is a view of this name.
    pub fn has_view(&self, view: &str) -> bool {
        has(&self.views, view)
    }

    /// Whether there are rows of the instrument of this name.
    pub fn has_symbol(&self, symbol: &str) -> bool {
        has(&self.symbols, symbol)
    }

    /// Whether there are rows of the portfolio of this name.
    pub fn has_portfolio(&self, portfolio: &str) -> bool {
        has(&self.portfolios, portfolio)
    }
}

fn has(names: &Option<Vec<String>>, name: &str) -> bool {
    names.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
}
