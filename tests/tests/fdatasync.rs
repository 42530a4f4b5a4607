//! An acknowledged write is on the medium: the system calls say so.
//!
//! sqd runs under strace. Between the read of a POST update and the write of its answer there
//! must be a write to the log and then a successful `fdatasync` of the log. A kill cannot show
//! this: the page cache survives the process.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use phext_tests::http::{Client, Persistence, Wire};
use phext_tests::process::{Server, free_port, sqd_binary};

const CALLS: &str = "trace=read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,\
                     pwritev2,fdatasync,fsync,openat";

/// How many updates are sent and looked for.
const UPDATES: usize = 5;

#[test]
fn an_answer_to_a_write_comes_after_fdatasync_of_the_log() {
    if let Err(reason) = strace_works() {
        println!("skipped: {reason}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let server = start_traced(&directory.path().join("data"), &trace);
    let mut client = Client::new(server.port(), Persistence::KeepAlive);
    for number in 1..=UPDATES {
        let request = Wire::new("POST", "/api/v2/update")
            .query(format!("p=durable&c=1.1.1/1.1.1/1.1.{number}"))
            .body("acknowledged means synced");
        let answer = client.request(&request).unwrap();
        assert_eq!(
            (answer.status, answer.text().as_ref()),
            (200, "Updated 25 bytes")
        );
    }
    let trace = finished_trace(&trace);
    for number in 1..=UPDATES {
        let mark = format!("c=1.1.1/1.1.1/1.1.{number} HTTP");
        if let Err(problem) = synced_before_answer(&trace, &mark) {
            panic!("update {number}: {problem}; the system calls were\n{trace}");
        }
    }
}

fn strace_works() -> Result<(), String> {
    let run = Command::new("strace")
        .args(["-f", "-y", "-o", "/dev/null", "true"])
        .output();
    match run {
        Err(error) => Err(format!("strace cannot be run: {error}")),
        Ok(output) if !output.status.success() => Err(format!(
            "ptrace is not permitted: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Ok(_) => Ok(()),
    }
}

/// `-D` makes sqd the child, and strace a grandchild that ends with it: killing strace instead
/// would leave sqd running.
fn start_traced(data_dir: &Path, trace: &Path) -> Server {
    let port = free_port().unwrap();
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-y", "-s", "200", "-e", CALLS, "-o"])
        .arg(trace);
    command
        .arg(sqd_binary())
        .args(["serve", "--listen"])
        .arg(format!("127.0.0.1:{port}"));
    command.arg("--data-dir").arg(data_dir);
    Server::start(command, port, None).unwrap()
}

/// The trace, once it has the last answer in it: strace writes a line when a call returns, which
/// may be after the client has read what the call sent.
fn finished_trace(trace: &Path) -> String {
    for _ in 0..500 {
        let text = String::from_utf8_lossy(&std::fs::read(trace).unwrap()).into_owned();
        let answers = text.lines().filter(|line| is_answer(line)).count();
        // The first answer was to the request that found the server ready.
        if answers > UPDATES {
            return text;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!(
        "the trace {} never showed {UPDATES} answers",
        trace.display()
    );
}

/// Looks in a trace for the request that holds `mark`, a write to the log after it, a successful
/// fdatasync of the log after that, and only then an answer.
fn synced_before_answer(trace: &str, mark: &str) -> Result<(), String> {
    let lines: Vec<&str> = trace.lines().collect();
    let request = find(&lines, 0, |line| line.contains(mark) && is_input(line))
        .ok_or_else(|| format!("no read of a request with {mark:?}"))?;
    let answer = find(&lines, request, is_answer).ok_or("no answer")?;
    let logged = find(&lines, request, writes_log).ok_or("no write to the log")?;
    if logged > answer {
        return Err("the answer comes before the write to the log".to_owned());
    }
    let synced = sync_of_log(&lines, logged).ok_or("no fdatasync of the log")?;
    if synced > answer {
        return Err("the answer comes before the fdatasync of the log".to_owned());
    }
    Ok(())
}

fn find(lines: &[&str], from: usize, is: impl Fn(&str) -> bool) -> Option<usize> {
    (from..lines.len()).find(|&at| is(lines[at]))
}

/// The call of a line: after the process id, and after `<... ` where it goes on.
fn call(line: &str) -> &str {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    call.strip_prefix("<... ").unwrap_or(call)
}

fn is_input(line: &str) -> bool {
    ["read", "recvfrom", "recvmsg"]
        .iter()
        .any(|name| call(line).starts_with(name))
}

fn is_answer(line: &str) -> bool {
    let names = ["write", "writev", "sendto", "sendmsg"];
    names.iter().any(|name| call(line).starts_with(name)) && line.contains("HTTP/1.1 200")
}

fn on_log(line: &str) -> bool {
    // `-y` shows the path after the descriptor: `pwrite64(7</data/log/1.log>, ...`.
    let descriptor = call(line)
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    descriptor.is_some_and(|(path, _)| path.contains("/log/"))
}

fn writes_log(line: &str) -> bool {
    let names = ["write(", "writev(", "pwrite64(", "pwritev(", "pwritev2("];
    names.iter().any(|name| call(line).starts_with(name)) && on_log(line)
}

/// The line at which an fdatasync of the log, begun after `from`, has succeeded.
fn sync_of_log(lines: &[&str], from: usize) -> Option<usize> {
    (from..lines.len())
        .filter(|&at| call(lines[at]).starts_with("fdatasync(") && on_log(lines[at]))
        .find_map(|at| {
            if !lines[at].contains("<unfinished ...>") {
                return lines[at].ends_with("= 0").then_some(at);
            }
            let process = lines[at].split(' ').next().unwrap_or_default();
            let goes_on = find(lines, at + 1, |line| {
                line.split(' ').next() == Some(process) && line.contains("<... fdatasync resumed>")
            })?;
            lines[goes_on].ends_with("= 0").then_some(goes_on)
        })
}

/// The canary: traces in which something is missing or in the wrong order must not pass.
#[test]
fn the_reading_of_traces_sees_what_is_missing() {
    let read = r#"10 recvfrom(9<socket:[1]>, "POST /api/v2/update?c=1 HTTP/1.1", 8192, 0) = 99"#;
    let write = r#"11 pwrite64(7</data/log/1.log>, "record", 6, 0) = 6"#;
    let sync = "11 fdatasync(7</data/log/1.log>)        = 0";
    let begun = "11 fdatasync(7</data/log/1.log> <unfinished ...>";
    let done = "11 <... fdatasync resumed>)             = 0";
    let answer = r#"10 sendto(9<socket:[1]>, "HTTP/1.1 200 OK", 15, 0, NULL, 0) = 15"#;
    let range = "11 sync_file_range(7</data/log/1.log>, 0, 0, SYNC_FILE_RANGE_WRITE) = 0";
    let rows: [(&[&str], bool); 9] = [
        (&[read, write, sync, answer], true),
        (&[read, write, begun, done, answer], true),
        (&[read, write, answer], false),
        (&[read, write, range, answer], false),
        (&[read, write, answer, sync], false),
        (&[read, write, begun, answer, done], false),
        (&[read, sync, write, answer], false),
        (
            &[read, write, "11 fdatasync(8</data/catalog/db>) = 0", answer],
            false,
        ),
        (
            &[
                read,
                write,
                "11 fdatasync(7</data/log/1.log>) = -1 EIO",
                answer,
            ],
            false,
        ),
    ];
    for (lines, passes) in rows {
        let verdict = synced_before_answer(&lines.join("\n"), "c=1 HTTP");
        assert_eq!(verdict.is_ok(), passes, "{lines:#?}");
    }
}
