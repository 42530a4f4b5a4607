//! Lines in files, samples, and the text for Prometheus.

use super::lines::Lines;
use super::sampler::sample;
use super::{Telemetry, exposition};
use phext_siw::telemetry::{Costs, Meter};
use phext_storage::Statistics;
use phext_storage::vfs::{Fault, MemoryVfs, Vfs};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "/var/log/vtpu/metrics.jsonl";

fn lines(vfs: &MemoryVfs, limit: u64, kept: u32) -> Lines {
    Lines::new(Arc::new(vfs.clone()), PATH.into(), limit, kept)
}

/// What a file holds; nothing where there is none.
fn content(vfs: &MemoryVfs, suffix: &str) -> String {
    let mut text = String::new();
    if let Ok(mut file) = vfs.read(Path::new(&format!("{PATH}{suffix}"))) {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

#[test]
fn lines_follow_each_other_also_after_a_restart() {
    let vfs = MemoryVfs::new();
    for run in ["a\n", "b\n"] {
        let mut lines = lines(&vfs, 100, 1);
        assert!(lines.append(run.as_bytes()) && lines.append(b"x\n"));
    }
    assert_eq!(content(&vfs, ""), "a\nx\nb\nx\n");
}

#[test]
fn a_line_that_was_cut_off_does_not_spoil_the_next() {
    let vfs = MemoryVfs::new();
    lines(&vfs, 100, 1).append(b"half of a li");
    lines(&vfs, 100, 1).append(b"whole\n");
    assert_eq!(content(&vfs, ""), "half of a li\nwhole\n");
}

#[test]
fn a_full_file_is_put_aside_and_the_oldest_goes() {
    let check = |kept, expected: [&str; 4]| {
        let vfs = MemoryVfs::new();
        let mut lines = lines(&vfs, 4, kept);
        for line in ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n"] {
            assert!(lines.append(line.as_bytes()));
        }
        let found = ["", ".1", ".2", ".3"].map(|suffix| content(&vfs, suffix));
        assert_eq!(found, expected, "{kept} kept");
    };
    check(0, ["7\n", "", "", ""]);
    check(1, ["7\n", "5\n6\n", "", ""]);
    check(2, ["7\n", "5\n6\n", "3\n4\n", ""]);
    check(3, ["7\n", "5\n6\n", "3\n4\n", "1\n2\n"]);
}

#[test]
fn a_line_longer_than_the_limit_is_alone_in_its_file() {
    let vfs = MemoryVfs::new();
    let mut lines = lines(&vfs, 4, 1);
    assert!(lines.append(b"1\n") && lines.append(b"123456\n") && lines.append(b"2\n"));
    assert_eq!(
        (content(&vfs, ""), content(&vfs, ".1")),
        ("2\n".into(), "123456\n".into())
    );
}

#[test]
fn a_full_disk_drops_lines_and_nothing_else() {
    let vfs = MemoryVfs::new();
    let mut lines = lines(&vfs, 1000, 1);
    assert!(lines.append(b"before\n"));
    vfs.set_fault(Some(Fault::Full {
        from: vfs.operations(),
    }));
    for _ in 0..3 {
        assert!(!lines.append(b"lost\n"));
    }
    vfs.set_fault(None);
    assert!(lines.append(b"after\n"));
    assert_eq!(content(&vfs, ""), "before\nafter\n");
}

#[test]
fn no_operation_that_fails_once_spoils_a_line() {
    for at in 0..40 {
        let vfs = MemoryVfs::new();
        vfs.set_fault(Some(Fault::Fail {
            at,
            kind: io::ErrorKind::Other,
        }));
        let mut lines = lines(&vfs, 12, 2);
        let mut written = 0;
        for number in 0..9 {
            written += usize::from(lines.append(format!("line{number}\n").as_bytes()));
        }
        assert!(written >= 8, "fault at {at}");
        let all = [".2", ".1", ""]
            .map(|suffix| content(&vfs, suffix))
            .concat();
        for line in all.lines() {
            assert!(
                line.starts_with("line") && line.len() == 5,
                "fault at {at}: {all:?}"
            );
        }
    }
}

fn meter() -> Meter {
    Meter::open(Costs::default())
}

#[test]
fn a_sample_is_shown_and_written() {
    let (vfs, telemetry) = (MemoryVfs::new(), Telemetry::default());
    assert!(telemetry.latest().is_none());
    let mut lines = lines(&vfs, 1 << 20, 1);
    let mut meter = meter();
    for _ in 0..2 {
        sample(&telemetry, &mut meter, Some(&mut lines));
    }
    let written = content(&vfs, "");
    assert_eq!(written.lines().count(), 2);
    let shown = telemetry.latest().unwrap().line.clone();
    assert!(written.as_bytes().ends_with(&shown));
    let line: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    for name in [
        "time_ms",
        "interval_ms",
        "ops_per_second",
        "sentron_utilization",
    ] {
        assert!(line[name].is_number(), "{name}");
    }
    assert!(line["prefetch_accuracy"].is_null());
    assert!(line["reasons"]["prefetch_accuracy"].is_string());
    assert!(line["cycles"]["source"].is_string());
}

#[test]
fn prometheus_sees_requests_stores_and_metrics() {
    let telemetry = Telemetry::default();
    sample(&telemetry, &mut meter(), None);
    telemetry
        .requests
        .count("select", 200, Duration::from_micros(20));
    telemetry
        .requests
        .count("select", 200, Duration::from_millis(20));
    telemetry
        .requests
        .count("select", 401, Duration::from_micros(1));
    let store = Statistics {
        user_bytes: 100,
        logged_bytes: 120,
        sealed_bytes: 80,
        segments: 2,
        ..Statistics::default()
    };
    let stores = ["a", "a", "b \"\\\n"].map(|name| (name.to_owned(), store));
    let text = exposition(&telemetry, &stores);
    for expected in [
        "sqd_requests_total{route=\"select\",status=\"200\"} 2",
        "sqd_requests_total{route=\"select\",status=\"401\"} 1",
        "sqd_request_seconds_count{route=\"select\"} 3",
        "sqd_request_seconds_bucket{route=\"select\",le=\"0.0001\"} 2",
        "sqd_stores 3",
        "sqd_store_segments{store=\"a\"} 4",
        "sqd_store_segments{store=\"b \\\"\\\\\\n\"} 2",
        "sqd_store_user_bytes_total{store=\"a\"} 200",
        "sqd_store_write_amplification{store=\"a\"} 2",
        "# TYPE vtpu_ops_per_second gauge",
        "# TYPE vtpu_ops_total counter",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(
        !text.contains("vtpu_prefetch_accuracy"),
        "what has no value is left out"
    );
}

#[test]
fn a_hundred_stores_have_labels_and_the_rest_is_added_up() {
    let store = Statistics {
        segments: 1,
        seals: 2,
        ..Statistics::default()
    };
    let names = (0..250).map(|number| (format!("tenant{number}"), store));
    let text = exposition(&Telemetry::default(), &names.collect::<Vec<_>>());
    let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(series("sqd_store_segments{"), 101);
    assert_eq!(series("sqd_store_seals_total{"), 101);
    for expected in [
        "sqd_stores 250\n",
        "sqd_store_segments{store=\"tenant99\"} 1\n",
        "sqd_store_segments{store=\"other\"} 150\n",
        "sqd_store_seals_total{store=\"other\"} 300\n",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert_eq!(
        series("sqd_store_write_amplification{"),
        0,
        "nothing was written"
    );
}
