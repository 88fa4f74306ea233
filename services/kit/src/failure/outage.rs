//! When those are to come again who find something unavailable: the longer it has been, the later.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tonic::Code;

use super::Reason;

/// When to come again at the beginning of an outage.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Time without a failure after which the next one is of another outage: longer than anyone waits.
const OVER: Duration = Duration::from_secs(20);

static OUTAGES: LazyLock<Mutex<HashMap<Reason, Outage>>> = LazyLock::new(Mutex::default);

/// A time in which calls fail for a reason.
#[derive(Clone, Copy, Debug)]
struct Outage {
    began: Instant,
    last: Instant,
}

/// How long to wait where a call fails for `reason`; `None` where coming again is of no use.
pub(super) fn wait(reason: Reason) -> Option<Duration> {
    if reason.code() != Code::Unavailable {
        return None;
    }
    let mut outages = OUTAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let outage = Outage::at(Instant::now(), outages.get(&reason).copied());
    outages.insert(reason, outage);
    Some(outage.wait())
}

impl Outage {
    /// That of a failure `now`, which may go on with the one before.
    fn at(now: Instant, before: Option<Self>) -> Self {
        let same = before.filter(|before| now.saturating_duration_since(before.last) < OVER);
        Self {
            began: same.map_or(now, |before| before.began),
            last: now,
        }
    }

    /// As long as it has lasted, so that who heeds it waits twice as long each time.
    fn wait(self) -> Duration {
        let lasted = self.last.saturating_duration_since(self.began);
        lasted.clamp(FIRST_WAIT, LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits of one who comes again when asked to, from the beginning of an outage on.
    fn waits(outage: &mut Option<Outage>, now: &mut Instant, times: usize) -> Vec<Duration> {
        let mut wait = || {
            let next = Outage::at(*now, *outage);
            (*outage, *now) = (Some(next), *now + next.wait());
            next.wait()
        };
        (0..times).map(|_| wait()).collect()
    }

    #[test]
    fn waits_double_while_it_lasts_and_begin_anew_after_it() {
        let (mut outage, mut now) = (None, Instant::now());
        let told = waits(&mut outage, &mut now, 9);
        let expected = [250, 250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000];
        assert_eq!(told, expected.map(Duration::from_millis));
        now += OVER;
        assert_eq!(waits(&mut outage, &mut now, 1), [FIRST_WAIT]);
    }
}
