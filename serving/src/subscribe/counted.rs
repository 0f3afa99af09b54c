//! Counts subscriptions for metrics.

use std::sync::Arc;

use node_api::MetricsText;

use crate::Context;
use rows::View;

/// A subscription of a view, counted while it lives.
pub(super) struct CountedSubscription {
    metrics: Arc<dyn MetricsText>,
    view: &'static str,
}

impl CountedSubscription {
    pub(super) fn new(context: &Context, view: &View) -> CountedSubscription {
        let (metrics, view) = (Arc::clone(&context.metrics), view.name);
        metrics.add_subscriptions(view, 1);
        CountedSubscription { metrics, view }
    }
}

impl Drop for CountedSubscription {
    fn drop(&mut self) {
        self.metrics.add_subscriptions(self.view, -1);
    }
}
