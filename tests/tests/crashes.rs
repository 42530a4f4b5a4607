//! A few kills and power cuts of the real server, in every run of the tests; `cargo crashes` and
//! `cargo power-cuts` do as many as are asked for.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]

use std::io::Write;
use std::process::Command;

use phext_tests::process::sqd_binary;

/// Runs a harness, shows its last line, and wants it to succeed.
fn run(harness: &str, arguments: &[&str]) {
    let mut command = Command::new(harness);
    command.arg("--sqd").arg(sqd_binary()).args(arguments);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{harness}: {text}{errors}");
    // Past the capture of output, so that every run of the tests shows it.
    let last = text.lines().last().unwrap_or_default();
    let line = format!("{last}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn a_killed_server_keeps_what_it_acknowledged() {
    let arguments = ["--kills", "10", "--seed", "1"];
    run(env!("CARGO_BIN_EXE_crashes"), &arguments);
}

#[test]
fn a_server_without_power_keeps_what_it_acknowledged() {
    let arguments = ["--cuts", "6", "--seed", "1"];
    run(env!("CARGO_BIN_EXE_power_cuts"), &arguments);
}
