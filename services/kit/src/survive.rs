//! Work that goes on for as long as its process, whatever happens in one of its rounds.

use std::{any::Any, panic::AssertUnwindSafe};

use futures::FutureExt;

/// A round of work panicked.
#[derive(Debug, thiserror::Error)]
#[error("something went wrong inside: {0}")]
pub struct Panicked(String);

/// Runs a round of work. A panic ends the round, not the task that it belongs to: who runs it has to put in order
/// what the round may have left half done.
///
/// # Errors
/// When the round panics.
pub async fn survived<T>(round: impl Future<Output = T>) -> Result<T, Panicked> {
    let ended = AssertUnwindSafe(round).catch_unwind().await;
    ended.map_err(|payload| Panicked(said(payload.as_ref()).to_owned()))
}

/// What a panic said.
pub(crate) fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_as_an_error() {
        assert_eq!(survived(async { 7 }).await.unwrap(), 7);
        let worse = survived(async { panic!("at {}", "noon") });
        let told = worse.await.map(|()| 0).unwrap_err().to_string();
        assert_eq!(told, "something went wrong inside: at noon");
    }
}
