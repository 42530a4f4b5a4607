//! Meters: of the machine, and files that look like one.

use crate::telemetry::power::Rapl;
use crate::telemetry::{Costs, Meter};
use phext_storage::vfs::{File, MemoryVfs, Vfs};
use std::path::Path;
use std::sync::Arc;

const POWERCAP: &str = "/powercap";

fn write(vfs: &dyn Vfs, path: &str, text: &str) {
    let path = Path::new(POWERCAP).join(path);
    if let Some(directory) = path.parent() {
        vfs.create_dir_all(directory).unwrap();
    }
    let file: Box<dyn File> = vfs.open(&path).or_else(|_| vfs.create(&path)).unwrap();
    file.truncate(0).unwrap();
    file.write_at(0, text.as_bytes()).unwrap();
}

/// Two packages, one of which has a part.
fn packages() -> MemoryVfs {
    let vfs = MemoryVfs::default();
    for (name, energy) in [("intel-rapl:0", "1000\n"), ("intel-rapl:1", "9000000\n")] {
        write(&vfs, &format!("{name}/energy_uj"), energy);
        write(&vfs, &format!("{name}/max_energy_range_uj"), "10000000\n");
    }
    write(&vfs, "intel-rapl:0:0/energy_uj", "77\n");
    vfs
}

#[test]
fn energy_is_that_of_all_packages_also_when_a_meter_starts_anew() {
    let vfs = packages();
    let mut rapl = Rapl::open(&vfs, Path::new(POWERCAP)).unwrap();
    assert_eq!(rapl.joules(&vfs).unwrap(), 0.0);
    write(&vfs, "intel-rapl:0/energy_uj", "2001000\n");
    write(&vfs, "intel-rapl:1/energy_uj", "500000\n");
    assert_eq!(rapl.joules(&vfs).unwrap(), 2.0 + 1.5);
}

#[test]
fn no_meter_is_an_error() {
    let vfs = MemoryVfs::default();
    Rapl::open(&vfs, Path::new(POWERCAP)).unwrap_err();
    vfs.create_dir_all(Path::new(POWERCAP)).unwrap();
    Rapl::open(&vfs, Path::new(POWERCAP)).unwrap_err();
}

#[test]
fn watts_come_from_the_meter_else_from_the_operator() {
    let check = |vfs: MemoryVfs, watts: Option<f64>, has_value: bool| {
        let costs = Costs {
            watts,
            ..Costs::default()
        };
        let mut meter = Meter::over(costs, Arc::new(vfs.clone()), Path::new(POWERCAP));
        let has_meter = vfs
            .metadata(&Path::new(POWERCAP).join("intel-rapl:0/energy_uj"))
            .is_ok();
        if has_meter {
            write(&vfs, "intel-rapl:0/energy_uj", "5000000\n");
        }
        let sample = meter.sample();
        assert_eq!(sample.metrics.ops_per_watt.value().is_some(), has_value);
        sample
    };
    check(packages(), None, true);
    check(MemoryVfs::default(), Some(65.0), true);
    let sample = check(MemoryVfs::default(), None, false);
    let reason = sample.metrics.ops_per_watt.reason().unwrap();
    assert!(reason.contains("not configured"), "{reason}");
}

#[test]
fn a_sample_says_where_cycles_come_from() {
    let mut meter = Meter::open(Costs::default());
    let json = serde_json::to_value(meter.sample()).unwrap();
    assert!(json["cycles"]["source"].is_string());
    assert!(json["cycles"]["gigahertz"].as_f64().unwrap() > 0.0);
    assert!(json["totals"]["ops"].is_u64());
    assert!(json["interval_ms"].as_f64().unwrap() > 0.0);
    for rate in ["l1_hit_rate", "l3_hit_rate"] {
        assert!(json[rate].is_number() || json["reasons"][rate].is_string());
    }
}
