//! Work that goes on after the call that began it, and that the process waits for before it ends.

use std::{sync::LazyLock, time::Duration};

use tokio::{sync::watch, time::timeout};

/// How much is under way.
static UNDER_WAY: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Counts one until it is dropped, however it ends.
struct Counted;

impl Counted {
    fn new() -> Self {
        UNDER_WAY.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        UNDER_WAY.send_modify(|count| *count -= 1);
    }
}

/// Begins such work.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    let counted = Counted::new();
    tokio::spawn(async move {
        let _counted = counted;
        work.await;
    });
}

/// Waits until none is under way, for as long as `patience` lasts; whether it came to that.
pub async fn ended(patience: Duration) -> bool {
    let mut seen = UNDER_WAY.subscribe();
    timeout(patience, seen.wait_for(|count| *count == 0))
        .await
        .is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn all_of_it_is_awaited_however_it_ends_but_not_for_ever() {
        assert!(ended(Duration::ZERO).await);
        let (end, ending) = oneshot::channel::<()>();
        spawn(async {
            ending.await.ok();
        });
        spawn(async { panic!("so it goes") });
        assert!(!ended(Duration::from_millis(20)).await);
        end.send(()).unwrap();
        assert!(ended(Duration::from_secs(60)).await);
    }
}
