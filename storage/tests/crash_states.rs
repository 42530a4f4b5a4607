//! Sampled crash states: see `support/sampler.rs` for what is run and checked.
//!
//! `SQD_CRASH_STATES` says how many; `cargo crash-states` is the same with options.

mod support;

use support::tell;

use support::sampler::{Plan, sample};

/// About ten seconds on two cores.
const DEFAULT_STATES: u64 = 100_000;

#[test]
fn sampled_crash_states_hold_a_prefix_with_every_acknowledged_commit() {
    let states = std::env::var("SQD_CRASH_STATES").map_or(DEFAULT_STATES, |count| {
        count.parse().expect("SQD_CRASH_STATES is a number")
    });
    let plan = Plan {
        states,
        seed: 1,
        threads: 2,
    };
    let tally = sample(&plan).unwrap_or_else(|failure| panic!("seed {}: {failure}", plan.seed));
    tell!("sampled: {tally}");
    // A sampler that does not lose, tear or reorder proves nothing.
    let losses = tally.losses;
    for (count, what) in [
        (losses.torn, "torn writes"),
        (losses.lengths_only, "lengths without bytes"),
        (losses.lost, "lost writes"),
        (losses.reordered, "reordered writes"),
        (losses.names_kept, "names kept"),
        (losses.names_lost, "names lost"),
        (losses.transactions_kept, "transactions of the catalog kept"),
        (losses.transactions_lost, "transactions of the catalog lost"),
    ] {
        assert!(count > 0, "no {what} among {} states", tally.states);
    }
    assert!(tally.states >= states, "{}", tally.states);
}
