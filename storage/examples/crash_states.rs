//! Samples crash states: `cargo crash-states --states 100000 --seed 1`.
//!
//! Exits with a failure, and says which state, where one does not recover.

use clap::Parser;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Instant;
use support::sampler::{Plan, sample};

#[path = "../tests/support/mod.rs"]
mod support;

/// Cuts the power at every operation of random workloads and checks what recovers.
#[derive(Debug, Parser)]
struct Arguments {
    /// At least so many states.
    #[arg(long, default_value_t = 100_000)]
    states: u64,
    /// What workloads and losses are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads work; as many as there are cores where none are given.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = Plan {
        states: arguments.states,
        seed: arguments.seed,
        threads: arguments
            .threads
            .unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
    };
    let start = Instant::now();
    match sample(&plan) {
        Ok(tally) => {
            let seconds = start.elapsed().as_secs_f64();
            println!("{tally}");
            println!(
                "seed {}: {} crash states in {seconds:.1} s, {:.0} a second, all recovered",
                plan.seed,
                tally.states,
                tally.states as f64 / seconds
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("seed {}: {failure}", plan.seed);
            ExitCode::FAILURE
        }
    }
}
