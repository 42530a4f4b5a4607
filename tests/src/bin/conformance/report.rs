//! What the run found: the first differences in full, the rest counted.

use std::process::ExitCode;
use std::time::Duration;

use phext_tests::http::{Response, Wire};

use crate::RuleCounts;
use crate::rules::{Case, Finding};

/// How many differences are printed in full.
const PRINTED: usize = 10;

/// How much of a body is printed: a scroll of 200 KB would hide the other nine.
const PRINTED_BYTES: usize = 16 * 1024;

/// The findings of a run.
#[derive(Debug)]
pub(crate) struct Report {
    seed: u64,
    differences: usize,
    by_rule: RuleCounts,
    took: Duration,
}

impl Report {
    /// A report on the run of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            differences: 0,
            by_rule: RuleCounts::new(),
            took: Duration::ZERO,
        }
    }

    /// Takes in one verdict.
    pub(crate) fn record(
        &mut self,
        number: usize,
        case: &Case<'_>,
        rule: Option<&'static str>,
        finding: Finding,
    ) {
        *self
            .by_rule
            .entry(rule.unwrap_or("(none: as SQ)"))
            .or_default() += 1;
        let Err(problem) = finding else { return };
        self.differences += 1;
        if self.differences > PRINTED {
            return;
        }
        println!(
            "difference {}, request {number}, seed {}",
            self.differences, self.seed
        );
        println!("  {problem}");
        println!(
            "  rule: {}",
            rule.unwrap_or("none applies, so sqd answers as SQ does")
        );
        println!("  asked sqd: {}", bytes(&case.request.sqd.to_bytes()));
        if case.request.is_translated() {
            println!(
                "  asked SQ:  {}",
                case.request.sq.as_ref().map_or_else(String::new, wire)
            );
        }
        println!(
            "  SQ:  {}",
            case.sq.map_or_else(|| "not asked".to_owned(), answer)
        );
        println!("  sqd: {}", answer(case.sqd));
        println!();
    }

    /// Notes how long the requests took.
    pub(crate) fn took(&mut self, took: Duration) {
        self.took = took;
    }

    /// Prints how often each rule decided, and the closing line.
    pub(crate) fn close(&self, requests: usize, seed: u64) -> ExitCode {
        for (rule, count) in &self.by_rule {
            println!("{count:>8}  {rule}");
        }
        println!("{:>7.1}s  in all", self.took.as_secs_f64());
        println!(
            "{requests} requests, seed {seed}: {} unexpected differences",
            self.differences
        );
        if self.differences == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn wire(wire: &Wire) -> String {
    bytes(&wire.to_bytes())
}

fn answer(response: &Response) -> String {
    let headers: Vec<String> = response
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!(
        "{} [{}] {}",
        response.status,
        headers.join(", "),
        bytes(&response.body)
    )
}

fn bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(PRINTED_BYTES)];
    let text: String = shown
        .iter()
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect();
    match bytes.len() - shown.len() {
        0 => text,
        more => format!("{text}... and {more} bytes more"),
    }
}
