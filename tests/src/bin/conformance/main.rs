//! Conformance of sqd with SQ 0.6.0: the same seeded requests to both, every answer compared.
//!
//! ```text
//! cargo conformance --sq PATH --sqd PATH --requests 20000 --seed 1
//! ```
//!
//! Both servers start on empty directories; half-way they are killed and started again on the
//! same directories with a key, so that the second half also checks what either kept. Status and
//! body of every pair of answers must agree, or meet the rule in [`rules`] that says what sqd
//! answers instead and where that is written. Of sqd's answers the heads are checked as well.
//!
//! `--self-test` puts a second SQ in sqd's place and drops the rules: it shows that the harness
//! and SQ itself are deterministic, and that the model agrees with SQ wherever no rule applies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use phext_tests::error::{Context, Error};
use phext_tests::http::{Client, Persistence, Response, Wire};
use phext_tests::process::Server;
use phext_tests::random;

mod compare;
mod compose;
mod generate;
mod generate_query;
mod generate_write;
mod model;
mod report;
mod request;
mod rules;
mod subjects;

use generate::Generator;
use model::Model;
use report::Report;
use request::Request;
use rules::Case;

/// The key of the second half.
const KEY: &str = "pmb-v1-conformance";

/// Compares sqd with SQ 0.6.0, request by request.
#[derive(Debug, Parser)]
struct Arguments {
    /// The SQ 0.6.0 binary.
    #[arg(long)]
    sq: PathBuf,
    /// The sqd binary.
    #[arg(long, required_unless_present = "self_test")]
    sqd: Option<PathBuf>,
    /// How many requests to send.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// The seed of the run; a fresh one where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Compare SQ with a second SQ, without rules.
    #[arg(long, hide = true)]
    self_test: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(random::fresh_seed);
    match run(&arguments, seed) {
        Ok(report) => report.close(arguments.requests, seed),
        Err(error) => {
            eprintln!("conformance, seed {seed}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, seed: u64) -> Result<Report, Error> {
    let directories = Directories::create()?;
    let mut model = Model::default();
    let mut generator = Generator::new(random::seeded(seed));
    let mut report = Report::new(seed);
    let mut pair = Pair::start(arguments, &directories, None)?;
    let started = Instant::now();
    for number in 0..arguments.requests {
        if number == arguments.requests / 2 {
            drop(pair);
            pair = Pair::start(arguments, &directories, Some(KEY))?;
            generator.require(KEY);
            model.sq_restarted();
        }
        let request = generator.next(&model);
        step(
            arguments.self_test,
            number,
            &request,
            &mut pair,
            &mut model,
            &mut report,
        )?;
    }
    report.took(started.elapsed());
    Ok(report)
}

fn step(
    self_test: bool,
    number: usize,
    request: &Request,
    pair: &mut Pair,
    model: &mut Model,
    report: &mut Report,
) -> Result<(), Error> {
    let sq = request
        .sq
        .as_ref()
        .map(|wire| pair.ask_sq(number, wire))
        .transpose()?;
    if sq.as_ref().is_some_and(|answer| answer.status == 200) {
        model.sq_handled(request);
    }
    let prediction = model.predict(request);
    if !self_test || request.sq.is_some() {
        let sqd = pair.ask_sqd(number, request, self_test)?;
        let case = Case {
            request,
            prediction: &prediction,
            sq: sq.as_ref(),
            sqd: &sqd,
            sq_holds_empties: model.sq_holds_empties(),
        };
        let (rule, finding) = if self_test {
            compare::self_test(&case)
        } else {
            compare::judge(&case)
        };
        report.record(number, &case, rule, finding);
    }
    model.apply(request);
    Ok(())
}

/// A scratch directory for each server.
struct Directories {
    sq: tempfile::TempDir,
    sqd: tempfile::TempDir,
}

impl Directories {
    fn create() -> Result<Self, Error> {
        let scratch = || tempfile::tempdir().context(|| "creating a scratch directory");
        Ok(Self {
            sq: scratch()?,
            sqd: scratch()?,
        })
    }
}

/// The two servers and their clients.
struct Pair {
    sq: Client,
    sqd: Client,
    _servers: [Server; 2],
}

impl Pair {
    fn start(
        arguments: &Arguments,
        directories: &Directories,
        key: Option<&str>,
    ) -> Result<Self, Error> {
        let sq = Server::start_sq(&arguments.sq, directories.sq.path(), key)?;
        let sqd = match arguments.sqd.as_deref().filter(|_| !arguments.self_test) {
            Some(binary) => Server::start_sqd(binary, directories.sqd.path(), key)?,
            None => Server::start_sq(&arguments.sq, directories.sqd.path(), key)?,
        };
        let persistence = if arguments.self_test {
            Persistence::PerRequest
        } else {
            Persistence::KeepAlive
        };
        Ok(Self {
            sq: Client::new(sq.port(), Persistence::PerRequest),
            sqd: Client::new(sqd.port(), persistence),
            _servers: [sq, sqd],
        })
    }

    fn ask_sq(&mut self, number: usize, wire: &Wire) -> Result<Response, Error> {
        self.sq
            .request(wire)
            .context(|| format!("asking SQ request {number}: {}", shown(wire)))
    }

    fn ask_sqd(
        &mut self,
        number: usize,
        request: &Request,
        self_test: bool,
    ) -> Result<Response, Error> {
        let wire = request
            .sq
            .as_ref()
            .filter(|_| self_test)
            .unwrap_or(&request.sqd);
        self.sqd
            .request(wire)
            .context(|| format!("asking sqd request {number}: {}", shown(wire)))
    }
}

/// The start of a request, printable.
fn shown(wire: &Wire) -> String {
    wire.to_bytes()[..]
        .iter()
        .take(300)
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect()
}

/// How often each rule decided.
type RuleCounts = BTreeMap<&'static str, usize>;
