//! Retries of reads for subscribers.

use std::time::Duration;

use tokio::time::sleep;

use rows::ReadError;

/// The pause before an overloaded read is retried.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Repeats a read as long as it is rejected because of overload, or because the state is being restored: a subscriber has
/// nobody to whom it could report that.
pub(super) async fn until_not_busy<T, F>(mut read: impl FnMut() -> F) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    loop {
        match read().await {
            Err(ReadError::Full { .. } | ReadError::Waited { .. } | ReadError::Restoring) => {
                sleep(RETRY_PAUSE).await;
            }
            result => return result,
        }
    }
}
