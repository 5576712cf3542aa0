//! How fast work goes, and how long the rest will take: pure functions of what was seen when.
//!
//! Owns the smoothing. Work comes in groups: nothing for a while, then many generations at once. A rate over the last
//! seconds would swing with them, and so would the time left. So the rate is a mean over the recent half of the time,
//! taken when a group ends, and in between the time left counts down like a clock. It is not shown before it is known.

use std::time::Duration;

/// No rate is known before so much time has passed.
const KNOWN_AFTER: Duration = Duration::from_secs(2);
/// Work that lies longer back than this part of the time so far hardly counts.
const MEMORY_FRACTION: f64 = 0.5;
/// The shortest memory, in seconds.
const MEMORY_SECONDS_MIN: f64 = 30.0;
/// How much of a new estimate of the time left is taken over at once; the rest is what the clock says.
const CORRECTION: f64 = 0.5;

/// The pace of one piece of work.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    total: u64,
    /// The last look: the time since the start, and how much was done.
    last: (Duration, u64),
    /// Seconds and work, each with the weight that its age leaves it.
    weighted: (f64, f64),
    /// When the work is expected to be done, in seconds since the start.
    expected_end: Option<f64>,
}

impl Pace {
    /// Work of which `total` is to be done.
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            last: (Duration::ZERO, 0),
            weighted: (0.0, 0.0),
            expected_end: None,
        }
    }

    /// Takes in that `done` were done after `elapsed`.
    pub(super) fn observe(&mut self, elapsed: Duration, done: u64) {
        let (last_elapsed, last_done) = self.last;
        if elapsed <= last_elapsed || done <= last_done {
            return;
        }
        let seconds = (elapsed - last_elapsed).as_secs_f64();
        let memory = (MEMORY_FRACTION * elapsed.as_secs_f64()).max(MEMORY_SECONDS_MIN);
        let weight = (-seconds / memory).exp();
        self.weighted.0 = self.weighted.0 * weight + seconds;
        self.weighted.1 = self.weighted.1 * weight + (done - last_done) as f64;
        self.last = (elapsed, done);
        self.expect_end();
    }

    /// Work per second; None before it is known.
    pub(super) fn rate(&self) -> Option<f64> {
        let (seconds, work) = self.weighted;
        (self.last.0 >= KNOWN_AFTER && seconds > 0.0).then(|| work / seconds)
    }

    /// The time left after `elapsed`; None before it is known, and when the work takes longer than was expected.
    pub(super) fn left(&self, elapsed: Duration) -> Option<Duration> {
        let seconds = self.expected_end? - elapsed.as_secs_f64();
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
    }

    fn expect_end(&mut self) {
        let Some(rate) = self.rate() else {
            return;
        };
        let (elapsed, done) = self.last;
        let to_do = self.total.saturating_sub(done) as f64;
        let estimate = elapsed.as_secs_f64() + to_do / rate;
        self.expected_end = Some(match self.expected_end {
            Some(expected) => expected + CORRECTION * (estimate - expected),
            None => estimate,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn nothing_is_said_before_it_is_known() {
        let mut pace = Pace::new(100);
        assert_eq!((pace.rate(), pace.left(seconds(1.0))), (None, None));
        pace.observe(seconds(1.0), 1);
        assert_eq!((pace.rate(), pace.left(seconds(1.0))), (None, None));
        pace.observe(seconds(4.0), 8);
        // 8 in 4 seconds, where what was done last weighs a little more.
        let rate = pace.rate().unwrap();
        assert!((2.0..2.1).contains(&rate), "{rate}");
        let left = pace.left(seconds(4.0)).unwrap().as_secs_f64();
        assert!((left - 92.0 / rate).abs() < 1e-6, "{left}");
    }

    #[test]
    fn the_time_left_counts_down_between_groups() {
        let mut pace = Pace::new(400);
        pace.observe(seconds(10.0), 100);
        for elapsed in [10.0, 17.5, 25.0] {
            assert_eq!(pace.left(seconds(elapsed)), Some(seconds(40.0 - elapsed)));
        }
        // It took longer than expected: better nothing than a wrong figure.
        assert_eq!(pace.left(seconds(40.0)), None);
    }

    /// Groups that take between 0.7 and 1.3 of the same time: 30 of 100 generations in about 20 seconds each.
    #[test]
    fn uneven_groups_do_not_make_it_jump() {
        let mut pace = Pace::new(3000);
        let (mut elapsed, mut shown) = (0.0, None);
        for group in 0..30u64 {
            elapsed += 20.0 * (0.7 + 0.6 * ((group * 7 % 10) as f64 / 9.0));
            let before: Option<Duration> = pace.left(seconds(elapsed));
            pace.observe(seconds(elapsed), 100 * (group + 1));
            let after = pace.left(seconds(elapsed));
            if let (Some(before), Some(after), true) = (before, after, (3..25).contains(&group)) {
                let jump =
                    (after.as_secs_f64() - before.as_secs_f64()).abs() / before.as_secs_f64();
                assert!(jump < 0.1, "group {group}: {before:?} to {after:?}");
            }
            shown = after.or(shown);
        }
        assert!(shown.is_some());
    }

    #[test]
    fn a_lasting_change_of_speed_is_followed() {
        let mut pace = Pace::new(10_000);
        for second in 1..=60 {
            pace.observe(seconds(f64::from(second)), 10 * second as u64);
        }
        for second in 61..=240 {
            pace.observe(seconds(f64::from(second)), 600 + 5 * (second as u64 - 60));
        }
        let rate = pace.rate().unwrap();
        assert!((5.0..6.5).contains(&rate), "{rate}");
    }

    proptest! {
        /// The rate lies between the slowest and the fastest that was seen.
        #[test]
        fn rates_are_means(steps in prop::collection::vec((2.0..50.0f64, 1..500u64), 1..40)) {
            let mut pace = Pace::new(1_000_000);
            let (mut elapsed, mut done) = (0.0, 0);
            for (seconds_taken, n) in &steps {
                elapsed += seconds_taken;
                done += n;
                pace.observe(seconds(elapsed), done);
            }
            let rates = steps.iter().map(|(seconds_taken, n)| *n as f64 / seconds_taken);
            let (slowest, fastest) = rates.fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
            let rate = pace.rate().unwrap();
            prop_assert!(slowest * 0.999 <= rate && rate <= fastest * 1.001, "{rate} {slowest} {fastest}");
        }
    }
}
