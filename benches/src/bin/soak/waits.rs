//! Waits as spans of time, and which of them fall together.
//!
//! When the medium does nothing for a while, everything that waits for it waits at the same time. So
//! slow commits are counted in groups, and a group is held against what a bare file waited meanwhile:
//!
//! ```text
//! commits    |------|   |--|      |---|        three waits, two groups: the first two
//!                |---------|                   are one with the third, which overlaps both
//! bare file     |-------|                      overlaps the first group only
//! ```

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How long a commit may take before it counts as a stall.
pub(crate) const STALL: Duration = Duration::from_millis(50);
/// The shortest waits of a bare file that are noted: well under half a stall, so that none that could
/// account for one is missed.
pub(crate) const NOTED: Duration = Duration::from_millis(10);

/// A span of time in which something waited; both ends are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

impl Wait {
    /// One that ends now.
    pub(crate) fn until_now(start: Instant, began: Instant) -> Wait {
        Wait {
            began: began.duration_since(start),
            ended: start.elapsed(),
        }
    }

    pub(crate) fn length(&self) -> Duration {
        self.ended - self.began
    }

    fn overlaps(&self, other: &Wait) -> bool {
        self.began < other.ended && other.began < self.ended
    }
}

/// Waits of which each overlaps in time with another, directly or through others.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    span: Wait,
    waits: usize,
    longest: Duration,
}

impl Group {
    /// The longest of `others` that overlaps with the group.
    fn longest_meanwhile(&self, others: &[Wait]) -> Option<Duration> {
        let meanwhile = others.iter().filter(|other| self.span.overlaps(other));
        meanwhile.map(Wait::length).max()
    }

    /// Whether a wait accounts for the group: it is at least half as long as the group's longest.
    fn is_matched_by(&self, wait: Option<Duration>) -> bool {
        wait.is_some_and(|wait| wait * 2 >= self.longest)
    }
}

fn groups(mut waits: Vec<Wait>) -> Vec<Group> {
    waits.sort_unstable_by_key(|wait| wait.began);
    let mut groups: Vec<Group> = Vec::new();
    for wait in waits {
        match groups.last_mut() {
            Some(group) if group.span.overlaps(&wait) => {
                group.span.ended = group.span.ended.max(wait.ended);
                group.waits += 1;
                group.longest = group.longest.max(wait.length());
            }
            _ => groups.push(Group {
                span: wait,
                waits: 1,
                longest: wait.length(),
            }),
        }
    }
    groups
}

/// What is printed of `slow`, waits of `what` above [`STALL`], beside the noted waits of a bare file.
pub(crate) fn report(what: &str, slow: Vec<Wait>, bare: &[Wait]) -> String {
    let head = format!(
        "{} {what} took more than {} ms",
        slow.len(),
        STALL.as_millis()
    );
    let groups: Vec<_> = groups(slow)
        .into_iter()
        .map(|group| (group.longest_meanwhile(bare), group))
        .collect();
    if groups.is_empty() {
        return head;
    }
    let matched = groups
        .iter()
        .filter(|(bare, group)| group.is_matched_by(*bare));
    let mut text = format!(
        "{head}. Those that overlap in time are one group: {} in all. In {} the bare file waited at least \
         half as long as the group's longest, at a time that overlaps with the group:\n\
         {:>9} {:>9} {:>11} {:>13}",
        groups.len(),
        matched.count(),
        "at s",
        what,
        "longest ms",
        "bare file ms"
    );
    for (bare, group) in &groups {
        let bare = match bare {
            Some(bare) => format!("{:.1}", milliseconds(*bare)),
            None => format!("below {}", NOTED.as_millis()),
        };
        write!(
            text,
            "\n{:>9.2} {:>9} {:>11.1} {bare:>13}",
            group.span.began.as_secs_f64(),
            group.waits,
            milliseconds(group.longest),
        )
        .expect("a string takes everything");
    }
    text
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(began: u64, ended: u64) -> Wait {
        Wait {
            began: Duration::from_millis(began),
            ended: Duration::from_millis(ended),
        }
    }

    /// `expected`: begin and end of each group, how many waits, and the longest.
    #[track_caller]
    fn check_groups(waits: &[(u64, u64)], expected: &[(u64, u64, usize, u64)]) {
        let waits = waits.iter().map(|&(began, ended)| wait(began, ended));
        let expected = expected
            .iter()
            .map(|&(began, ended, waits, longest)| Group {
                span: wait(began, ended),
                waits,
                longest: Duration::from_millis(longest),
            });
        assert_eq!(groups(waits.collect()), expected.collect::<Vec<_>>());
    }

    #[test]
    fn what_overlaps_is_one_group() {
        check_groups(&[], &[]);
        check_groups(&[(10, 70)], &[(10, 70, 1, 60)]);
        check_groups(&[(10, 70), (20, 90)], &[(10, 90, 2, 70)]);
        check_groups(&[(10, 70), (80, 140)], &[(10, 70, 1, 60), (80, 140, 1, 60)]);
    }

    #[test]
    fn one_that_ends_as_the_next_begins_is_not_the_same_group() {
        check_groups(&[(10, 70), (70, 130)], &[(10, 70, 1, 60), (70, 130, 1, 60)]);
    }

    #[test]
    fn the_order_in_which_waits_come_does_not_matter() {
        check_groups(
            &[(200, 260), (20, 90), (10, 70)],
            &[(10, 90, 2, 70), (200, 260, 1, 60)],
        );
    }

    #[test]
    fn waits_are_joined_through_others() {
        check_groups(&[(0, 100), (150, 250), (60, 200)], &[(0, 250, 3, 140)]);
    }

    #[test]
    fn a_group_lasts_as_long_as_its_longest_even_if_a_later_one_ends_sooner() {
        check_groups(&[(0, 1000), (100, 160), (900, 960)], &[(0, 1000, 3, 1000)]);
    }

    /// A group of one wait, waits of the bare file, the longest meanwhile, and whether it accounts for it.
    #[track_caller]
    fn check_match(slow: (u64, u64), bare: &[(u64, u64)], longest: Option<u64>, is_matched: bool) {
        let bare: Vec<_> = bare
            .iter()
            .map(|&(began, ended)| wait(began, ended))
            .collect();
        let group = groups(vec![wait(slow.0, slow.1)]).remove(0);
        let meanwhile = group.longest_meanwhile(&bare);
        assert_eq!(meanwhile, longest.map(Duration::from_millis));
        assert_eq!(group.is_matched_by(meanwhile), is_matched);
    }

    #[test]
    fn a_wait_of_half_the_length_at_the_same_time_accounts_for_a_group() {
        check_match((100, 200), &[(130, 180)], Some(50), true);
        check_match((100, 200), &[(130, 179)], Some(49), false);
        check_match((100, 200), &[(50, 101)], Some(51), true);
        check_match((100, 200), &[(0, 100), (200, 900)], None, false);
        check_match(
            (100, 200),
            &[(110, 120), (120, 190), (300, 900)],
            Some(70),
            true,
        );
        check_match((100, 200), &[], None, false);
    }

    #[test]
    fn the_report_counts_and_lists_groups() {
        assert_eq!(
            report("commits", vec![], &[]),
            "0 commits took more than 50 ms"
        );
        let slow = vec![wait(1000, 1100), wait(1010, 1130), wait(2500, 2560)];
        assert_eq!(
            report("commits", slow, &[wait(1020, 1110)]),
            "3 commits took more than 50 ms. Those that overlap in time are one group: 2 in all. In 1 the \
             bare file waited at least half as long as the group's longest, at a time that overlaps with \
             the group:\n     \
             at s   commits  longest ms  bare file ms\n     \
             1.00         2       120.0          90.0\n     \
             2.50         1        60.0      below 10"
        );
    }
}
