//! What can be asked of a store, as a line and as what it does.

use crate::order;
use jiff::Timestamp;
use phext_storage::{CheckpointMode, Follower, Order, Snapshot, Statistics, Store, StoreError};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A request. Its text is one line; what may hold spaces stands last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Checkpoint {
        directory: PathBuf,
        mode: CheckpointMode,
    },
    CreateSnapshot(String),
    DropSnapshot(String),
    Snapshots,
    Order {
        phext: String,
        order: Option<Order>,
    },
    Statistics,
}

impl Request {
    /// Runs the request. Gives the lines of the answer.
    pub(crate) fn run(&self, store: &Store) -> Result<Vec<String>, StoreError> {
        match self {
            Request::Checkpoint { directory, mode } => {
                let lsn = store.checkpoint(directory, *mode)?;
                Ok(vec![format!("{}: change {lsn}", directory.display())])
            }
            Request::CreateSnapshot(name) => {
                let lsn = store.create_snapshot(name)?.lsn;
                Ok(vec![format!("{name}: change {lsn}")])
            }
            Request::DropSnapshot(name) => {
                store.drop_snapshot(name)?;
                Ok(vec![format!("{name}: dropped")])
            }
            Request::Snapshots => Ok(snapshots(store)),
            Request::Order { phext, order } => {
                if let Some(order) = order {
                    store.set_order(phext, *order)?;
                }
                described(&store.snapshot(), phext)
            }
            Request::Statistics => Ok(figures(&store.statistics())),
        }
    }

    /// As [`Self::run`], on a store that cannot be written to; `None` where the request needs more.
    pub(crate) fn read(&self, store: &Follower) -> Option<Result<Vec<String>, StoreError>> {
        match self {
            Request::Statistics => Some(Ok(figures(&store.statistics()))),
            Request::Order { phext, order: None } => Some(described(&store.snapshot(), phext)),
            _ => None,
        }
    }
}

fn described(snapshot: &Snapshot, phext: &str) -> Result<Vec<String>, StoreError> {
    match snapshot.phext(phext) {
        Some(found) => Ok(order::describe(found)),
        None => Err(StoreError::NoSuchPhext {
            name: phext.to_owned(),
        }),
    }
}

fn figures(statistics: &Statistics) -> Vec<String> {
    let text = format!("{statistics:#?}");
    let lines = text.lines().filter(|line| line.starts_with(' '));
    let line = |line: &str| line.trim().trim_end_matches(',').to_owned();
    lines.map(line).collect()
}

/// A time as RFC 3339 has it, in UTC.
fn time(ms_since_1970: u64) -> String {
    let ms = i64::try_from(ms_since_1970).ok();
    let time = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    match time {
        Some(time) => format!("{time:.3}"),
        None => format!("{ms_since_1970} ms after 1970"),
    }
}

fn snapshots(store: &Store) -> Vec<String> {
    let line = |snapshot: phext_storage::SnapshotSummary| {
        format!(
            "{}: change {}, created {}, keeps {} bytes",
            snapshot.name,
            snapshot.lsn,
            time(snapshot.created_ms),
            snapshot.kept_bytes
        )
    };
    store.snapshots().into_iter().map(line).collect()
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Checkpoint { directory, mode } => {
                let mode = match mode {
                    CheckpointMode::Link => "link",
                    CheckpointMode::Copy => "copy",
                };
                write!(f, "checkpoint {mode} {}", directory.display())
            }
            Request::CreateSnapshot(name) => write!(f, "snapshot create {name}"),
            Request::DropSnapshot(name) => write!(f, "snapshot drop {name}"),
            Request::Snapshots => write!(f, "snapshot list"),
            Request::Order { phext, order } => match order {
                Some(order) => write!(f, "order {order} {phext}"),
                None => write!(f, "order - {phext}"),
            },
            Request::Statistics => write!(f, "statistics"),
        }
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Request, String> {
        let unknown = || format!("no such command: {line:?}");
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "statistics" if rest.is_empty() => return Ok(Request::Statistics),
            "snapshot" if rest == "list" => return Ok(Request::Snapshots),
            _ => {}
        }
        let (how, what) = rest.split_once(' ').ok_or_else(unknown)?;
        match (verb, how) {
            ("checkpoint", "link") => Ok(checkpoint(what, CheckpointMode::Link)),
            ("checkpoint", "copy") => Ok(checkpoint(what, CheckpointMode::Copy)),
            ("snapshot", "create") => Ok(Request::CreateSnapshot(what.to_owned())),
            ("snapshot", "drop") => Ok(Request::DropSnapshot(what.to_owned())),
            ("order", "-") => Ok(order_request(what, None)),
            ("order", how) => match how.parse() {
                Ok(parsed) => Ok(order_request(what, Some(parsed))),
                Err(error) => Err(format!("order {how:?}: {error}")),
            },
            _ => Err(unknown()),
        }
    }
}

fn checkpoint(directory: &str, mode: CheckpointMode) -> Request {
    Request::Checkpoint {
        directory: PathBuf::from(directory),
        mode,
    }
}

fn order_request(phext: &str, order: Option<Order>) -> Request {
    Request::Order {
        phext: phext.to_owned(),
        order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_round_trip_as_lines() {
        let requests = [
            checkpoint("/a b/c", CheckpointMode::Link),
            checkpoint("/c", CheckpointMode::Copy),
            Request::CreateSnapshot("x".into()),
            Request::DropSnapshot("x".into()),
            Request::Snapshots,
            order_request("a phext", Some("prefix=2,hilbert".parse().unwrap())),
            order_request("", None),
            Request::Statistics,
        ];
        for request in requests {
            let line = request.to_string();
            assert_eq!(line.parse::<Request>(), Ok(request), "{line}");
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_782_000_000_007), "2026-06-21T00:00:00.007Z");
        assert_eq!(time(u64::MAX), format!("{} ms after 1970", u64::MAX));
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "stop",
            "snapshot",
            "snapshot make x",
            "checkpoint /x",
            "order big x",
        ] {
            assert!(line.parse::<Request>().is_err(), "{line}");
        }
    }
}
