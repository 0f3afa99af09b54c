//! The metrics of the process, as `/metrics` shows them.

/// What a scraper reads. The server knows its text only, and adds the number of rows of each view.
pub trait MetricsText: Send + Sync {
    /// Sets the number of rows of a view.
    fn set_view_rows(&self, view: &'static str, rows: u64);

    /// Adds to the number of subscriptions of a view that clients have.
    fn add_subscriptions(&self, view: &'static str, difference: i64);

    /// Counts a request or a connection of a client that was refused, for this reason.
    fn count_refused(&self, reason: &'static str);

    /// The media type of [`MetricsText::render`].
    fn content_type(&self) -> &'static str;

    /// All metrics.
    fn render(&self) -> String;
}
