//! Options of `sqd lab locality`.

use super::order::LabOrder;
use super::points::NUMBERS_OF_DIMENSIONS;
use super::source::Data;
use clap::Args;
use std::path::PathBuf;

/// The least and the most scrolls that are looked at.
const SCROLLS: std::ops::RangeInclusive<usize> = 256..=16_000_000;

/// What is measured, and where to the report goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct LocalityArgs {
    /// hierarchy, agent, clustered, uniform, grid, or a phext file.
    #[arg(long, default_value = "agent", value_name = "DATA")]
    pub(super) data: Data,
    /// Orders, separated by commas; all where none is named. `random` is measured in any case.
    #[arg(long, value_delimiter = ',', value_name = "ORDERS")]
    pub(super) orders: Vec<LabOrder>,
    /// Scrolls at most: those made, or the first of a file.
    #[arg(long, default_value = "1000000", value_parser = scrolls)]
    pub(super) scrolls: usize,
    /// Numbers of dimensions, separated by commas: 2, 3, 4 or 6 are the most varied of the nine of a
    /// scroll, 9 all of them, 11 with line and column.
    #[arg(long, value_delimiter = ',', default_value = "2,3,4,6,9,11", value_parser = dimensions)]
    pub(super) dimensions: Vec<usize>,
    /// Seed of data and queries.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Queries of each class and number of free dimensions.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) queries: u32,
    /// Steps of the drifting session.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) steps: u32,
    /// Queries of each class and number of free dimensions that are timed in stores of the engine, in
    /// nine dimensions; 0 makes no stores.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(super) timed: u32,
    /// Where the report goes; stores are made there too, and removed.
    #[arg(long, default_value = "locality", value_name = "DIR")]
    pub(super) out: PathBuf,
}

impl LocalityArgs {
    /// The orders asked for, each once, after `random`.
    pub(super) fn orders(&self) -> Vec<LabOrder> {
        let all = LabOrder::all();
        let is_wanted = |order: &LabOrder| {
            self.orders.is_empty() || *order == LabOrder::Random || self.orders.contains(order)
        };
        all.into_iter().filter(is_wanted).collect()
    }

    /// The numbers of dimensions asked for, each once, ascending.
    pub(super) fn dimensions(&self) -> Vec<usize> {
        let wanted = |dimensions: &usize| self.dimensions.contains(dimensions);
        NUMBERS_OF_DIMENSIONS.into_iter().filter(wanted).collect()
    }
}

fn scrolls(text: &str) -> Result<usize, String> {
    let accepted = format!(
        "give a number from {} to {}",
        SCROLLS.start(),
        SCROLLS.end()
    );
    let number: usize = text
        .parse()
        .map_err(|error| format!("{error}: {accepted}"))?;
    SCROLLS.contains(&number).then_some(number).ok_or(accepted)
}

fn dimensions(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|n| NUMBERS_OF_DIMENSIONS.contains(n));
    number.ok_or_else(|| format!("`{text}` is not measured: use {NUMBERS_OF_DIMENSIONS:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        args: LocalityArgs,
    }

    fn parse(arguments: &[&str]) -> Result<LocalityArgs, String> {
        let arguments = ["lab"].iter().chain(arguments);
        let parsed = Only::try_parse_from(arguments);
        parsed
            .map(|only| only.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_all_orders_and_dimensions() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.orders(), LabOrder::all());
        assert_eq!(args.dimensions(), NUMBERS_OF_DIMENSIONS);
    }

    #[test]
    fn orders_are_measured_once_and_random_always() {
        let args = parse(&[
            "--orders",
            "leaves,hilbert-ranks,leaves",
            "--dimensions",
            "9,2",
        ])
        .unwrap();
        let names: Vec<_> = args.orders().iter().map(|order| order.name()).collect();
        assert_eq!(names, ["random", "hilbert-ranks", "leaves"]);
        assert_eq!(args.dimensions(), [2, 9]);
    }

    /// Each error names the option and says what it takes.
    #[test]
    fn what_is_not_accepted_is_said() {
        for (arguments, expected) in [
            (
                ["--data", "agents"],
                ["--data", "hierarchy, agent, clustered, uniform, grid"],
            ),
            (["--orders", "zorder"], ["--orders", "snake-ranks, morton"]),
            (["--scrolls", "10"], ["--scrolls", "from 256 to 16000000"]),
            (["--scrolls", "many"], ["--scrolls", "from 256 to 16000000"]),
            (
                ["--dimensions", "5"],
                ["--dimensions", "[2, 3, 4, 6, 9, 11]"],
            ),
            (["--queries", "0"], ["--queries", "1..=10000"]),
            (["--timed", "-1"], ["-1", "--"]),
            (["--seed", "x"], ["--seed", "invalid digit"]),
        ] {
            let error = parse(&arguments).unwrap_err();
            for part in expected {
                assert!(error.contains(part), "{arguments:?}: {error}");
            }
        }
    }
}
