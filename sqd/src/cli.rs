//! Commands and options. Every option of `serve` is also read from the environment.

use crate::ask::AskArgs;
use crate::lab::LocalityArgs;
use crate::telemetry::TelemetryArgs;
use clap::{Args, Parser, Subcommand};
use phext_storage::{MemoryBudget, Options, Order};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A durable phext server that speaks the HTTP API of SQ.
#[derive(Debug, Parser)]
#[command(name = "sqd", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve phexts over HTTP.
    Serve(ServeArgs),
    /// Serve on a port of 127.0.0.1, as `sq host PORT` is called; `.phext` files are looked for in
    /// the data directory, or where that is not given in the current directory.
    Host {
        /// The port.
        port: u16,
        #[command(flatten)]
        options: HostArgs,
    },
    /// Import phext files into a data directory that no server is using.
    Import {
        /// A phext file; `=NAME` names the phext, else the file's stem does.
        #[arg(required = true, value_name = "FILE[=NAME]")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Write a phext as one document, also while a server is using the data directory.
    Export {
        /// The phext's name.
        name: String,
        /// Where to; `-` is the standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
        /// As it was when this snapshot was created.
        #[arg(long)]
        snapshot: Option<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Answer a question about a phext as JSON, also while a server is using the data directory.
    Query(Box<AskArgs>),
    /// Say how a question is answered: the plan, the streams, and what they did.
    Explain(Box<AskArgs>),
    /// Check every byte of a data directory, and what the bytes say: lists every damaged place,
    /// changes nothing, and fails where there is one. While a server is using the directory, the
    /// checksums of its segments only.
    Check {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Say what of a damaged data directory can be kept and what is lost; with `--apply` make it a
    /// store that opens. What is replaced is moved to `repair-<n>` in it, nothing is removed.
    Repair {
        /// Do it, rather than say what would be done.
        #[arg(long)]
        apply: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Make a directory that opens as a store with the state of this moment, beside a running
    /// server too. Segments are hard links, so it takes no time and, at first, no space.
    Checkpoint {
        /// The directory, which must be absent or empty.
        directory: PathBuf,
        /// Copy the segments: for another file system or medium.
        #[arg(long)]
        copy: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Keep the state of this moment readable under a name, until it is dropped.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Print the order of a phext, and how its parts lie and why; or change it: the parts are
    /// rewritten, by a running server in the background.
    Order {
        /// The phext's name.
        phext: String,
        /// auto, lexicographic, hilbert, morton, peano or prefix=P,curve.
        order: Option<Order>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print figures of the store.
    Statistics {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Assemble, disassemble, check and run streams of instruction words: docs/ISA.md.
    #[command(subcommand)]
    Siw(SiwCommand),
    /// Measure what orders of scrolls are worth: docs/LOCALITY.md.
    #[command(subcommand)]
    Lab(LabCommand),
    /// Print the version.
    Version,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Create a snapshot.
    Create {
        /// Its name.
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List the snapshots.
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Drop a snapshot; its space comes back.
    Drop {
        /// Its name.
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Compare orders of the same scrolls by what queries touch in each; writes a report.
    Locality(Box<LocalityArgs>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SiwCommand {
    /// Turn the text of a stream into its bytes.
    Asm {
        /// The text; `-` is the standard input.
        file: PathBuf,
        /// Where to; `-` is the standard output. Without it, FILE with the extension `siw`.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Print the text of a stream.
    Dis {
        /// The stream; `-` is the standard input.
        file: PathBuf,
    },
    /// Say whether a stream, bytes or text, may run, and where not.
    Check {
        /// The stream; `-` is the standard input.
        file: PathBuf,
    },
    /// Run a stream, bytes or text, over a phext. Rows are printed as lines of JSON, and figures on
    /// the standard error. The store is opened for reading, beside a running server too.
    Run(RunArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// The stream; `-` is the standard input.
    pub(crate) file: PathBuf,
    /// The phext's name.
    #[arg(long)]
    pub(crate) phext: String,
    /// Let the stream write, which no server may be using the directory for.
    #[arg(long)]
    pub(crate) write: bool,
    /// Print the numbers of rows as doubles.
    #[arg(long)]
    pub(crate) doubles: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// The data directory.
    #[arg(long, env = "SQD_DATA_DIR", default_value = "sqd-data")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The address and port to listen on.
    #[arg(long, env = "SQD_LISTEN", default_value = "127.0.0.1:1337")]
    pub(crate) listen: SocketAddr,
    /// The data directory; SQ's `.phext` files in it are imported.
    #[arg(long, env = "SQD_DATA_DIR", default_value = "sqd-data")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HostArgs {
    /// The data directory; SQ's `.phext` files in it are imported.
    #[arg(long, env = "SQD_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CommonArgs {
    /// The token that every request must carry.
    #[arg(
        long,
        env = "SQD_KEY",
        hide_env_values = true,
        conflicts_with = "config"
    )]
    pub(crate) key: Option<String>,
    /// A JSON file of tenants: `{"tenants": {"<token>": {"name": "..", "data_dir": ".."}}}`.
    #[arg(long, env = "SQD_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Import a phext file before serving, unless that state of it was imported before; `=NAME`
    /// names the phext, else the file's stem does.
    #[arg(long, value_name = "FILE[=NAME]")]
    pub(crate) import: Vec<PathBuf>,
    /// The order of new phexts: auto, lexicographic, hilbert, morton, peano or prefix=P,curve.
    #[arg(long, env = "SQD_ORDER", default_value = "auto")]
    pub(crate) order: Order,
    /// The largest request body in bytes.
    #[arg(long, env = "SQD_BODY_LIMIT", default_value_t = 100_000_000)]
    pub(crate) body_limit: usize,
    /// The largest scroll in bytes.
    #[arg(long, env = "SQD_SCROLL_LIMIT", default_value_t = 64 << 20)]
    pub(crate) scroll_limit: u64,
    /// Bytes of memory that each data directory may take for memtables, sealing, merging and imports;
    /// without it they take what suits a machine with some GiB.
    #[arg(long, env = "SQD_MEMORY_BUDGET", value_name = "BYTES", value_parser = memory_budget)]
    pub(crate) memory_budget: Option<MemoryBudget>,
    /// Bytes of unsealed scrolls kept in memory: 67108864, or a sixteenth of the memory budget.
    #[arg(long, env = "SQD_MEMTABLE_BYTES")]
    pub(crate) memtable_bytes: Option<u64>,
    /// Days over which every byte of the segments is read from the medium and verified, again and
    /// again; 0 is never.
    #[arg(long, env = "SQD_SCRUB_DAYS", default_value_t = 7)]
    pub(crate) scrub_days: u32,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
    /// Seconds that a long query may take, the time in which its client takes the answer among them;
    /// 0 is without end.
    #[arg(long, env = "SQD_QUERY_DEADLINE", default_value_t = 0)]
    pub(crate) query_deadline: u64,
}

fn memory_budget(text: &str) -> Result<MemoryBudget, String> {
    let bytes: u64 = text
        .parse()
        .map_err(|error| format!("{error}: give a number of bytes"))?;
    MemoryBudget::new(bytes).map_err(|error| error.to_string())
}

impl CommonArgs {
    /// How long a query may take.
    pub(crate) fn query_deadline(&self) -> Option<Duration> {
        (self.query_deadline > 0).then(|| Duration::from_secs(self.query_deadline))
    }

    /// What stores are opened with.
    pub(crate) fn store_options(&self) -> Options {
        let options = Options {
            max_scroll_bytes: self.scroll_limit,
            order: self.order,
            ..Options::default()
        };
        let mut options = match self.memory_budget {
            Some(budget) => options.within(budget),
            None => options,
        };
        // What is said of one limit counts for more than what follows from the budget.
        options.memtable_bytes = self.memtable_bytes.unwrap_or(options.memtable_bytes);
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    fn options(arguments: &[&str]) -> Result<Options, clap::Error> {
        let arguments = ["sqd", "serve"].iter().chain(arguments);
        let cli = Cli::try_parse_from(arguments)?;
        let Command::Serve(serve) = cli.command else {
            panic!("it serves");
        };
        Ok(serve.common.store_options())
    }

    #[test]
    fn a_budget_sets_the_limits_and_one_limit_overrides_it() {
        let limits = |arguments: &[&str]| {
            let options = options(arguments).unwrap();
            (options.memtable_bytes, options.merge_memory_bytes)
        };
        assert_eq!(limits(&[]), (64 << 20, 512 << 20));
        assert_eq!(limits(&["--memtable-bytes", "5000"]), (5000, 512 << 20));
        let budget = ["--memory-budget", "268435456"];
        assert_eq!(limits(&budget), (16 << 20, 64 << 20));
        let both = ["--memory-budget", "268435456", "--memtable-bytes", "5000"];
        assert_eq!(limits(&both), (5000, 64 << 20));
    }

    #[test]
    fn budgets_that_are_none_are_refused() {
        let refused = |budget| {
            let error = options(&["--memory-budget", budget]).unwrap_err();
            error.to_string()
        };
        let said = refused("1000");
        assert!(
            said.contains("of 1000 bytes is too small: give at least 16777216"),
            "{said}"
        );
        let said = refused("512MB");
        assert!(said.contains("give a number of bytes"), "{said}");
    }
}
