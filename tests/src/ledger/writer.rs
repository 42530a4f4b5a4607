//! One writer at work.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::http::{Connection, Persistence, ResponseBody};

use super::Ledger;

/// Writes until the server goes away, not until it is about to: the requests in flight at the
/// kill are what the harness is after. `None` where that is because it was killed; else what the
/// server did wrong.
pub fn write(
    port: u16,
    persistence: Persistence,
    ledger: &mut Ledger,
    killed: &AtomicBool,
) -> Option<String> {
    let mut connection = None;
    loop {
        match exchange(port, &mut connection, persistence, ledger) {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => return Some(wrong),
            Err(_) if killed.load(Ordering::SeqCst) => return None,
            Err(error) => {
                let writer = ledger.writer();
                return Some(format!(
                    "writer {writer}: {error}, before the server was killed"
                ));
            }
        }
        if persistence == Persistence::PerRequest {
            connection = None;
        }
    }
}

/// Sends one request or a short pipeline, and reads the answers.
fn exchange(
    port: u16,
    kept: &mut Option<Connection>,
    persistence: Persistence,
    ledger: &mut Ledger,
) -> std::io::Result<Result<(), String>> {
    if kept.is_none() {
        *kept = Some(Connection::open(port)?);
    }
    let Some(connection) = kept.as_mut() else {
        return Ok(Ok(()));
    };
    let depth = if persistence == Persistence::KeepAlive {
        ledger.depth()
    } else {
        1
    };
    let mut requests = Vec::new();
    for _ in 0..depth {
        requests.extend_from_slice(&ledger.send());
    }
    connection.send(&requests)?;
    for _ in 0..depth {
        let answer = connection.receive(ResponseBody::Present)?;
        if let Err(wrong) = ledger.acknowledge(answer.status, &answer.text()) {
            return Ok(Err(wrong));
        }
    }
    Ok(Ok(()))
}
