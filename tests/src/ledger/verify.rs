//! What the server recovered, against what the writers know.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::error::{Context, Error};
use crate::http::{Client, Persistence, Wire, percent_encode};

use super::{Ledger, SLOTS, record};

/// How many findings of a kind are printed.
const PRINTED: usize = 10;

/// All that was found so far.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is done to the server: `kills`.
    what: &'static str,
    /// How often the server was killed, or its power cut.
    pub kills: usize,
    /// Operations acknowledged.
    pub acknowledged: u64,
    /// Slots that hold neither the last acknowledged value nor a later one.
    lost: usize,
    /// Slots that hold what no writer wrote.
    torn: usize,
    /// Recoveries of a writer whose slots are each right, but of no one point in its order.
    out_of_order: usize,
    /// Phexts with more or fewer scrolls than the writers have in them.
    miscounted: usize,
    /// Answers that were wrong while the server ran.
    refused: usize,
}

impl Findings {
    /// Nothing found yet. `what` names what is done to the server, in the plural.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            ..Self::default()
        }
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.lost + self.torn + self.out_of_order + self.miscounted + self.refused == 0
    }

    /// Takes in what the writers of a round complained of.
    pub fn refusals(&mut self, kill: usize, complaints: Vec<String>) {
        for complaint in complaints {
            self.refused += 1;
            if self.refused <= PRINTED {
                println!("kill {kill}: {complaint}");
            }
        }
    }

    /// One line on how far the run is.
    pub fn progress(&self, ledgers: &[Ledger]) {
        let acknowledged: u64 = ledgers.iter().map(Ledger::acknowledged).sum();
        println!(
            "{} {}, {acknowledged} writes acknowledged, {} lost, {} torn",
            self.kills, self.what, self.lost, self.torn
        );
    }

    /// Prints what the closing line has no words for, and the closing line.
    #[must_use]
    pub fn close(&self) -> ExitCode {
        for (count, what) in [
            (
                self.out_of_order,
                "recoveries that are no prefix of a writer's order",
            ),
            (
                self.miscounted,
                "phexts with another number of scrolls than were written",
            ),
            (self.refused, "wrong answers while the server ran"),
        ] {
            if count > 0 {
                println!("{count} {what}");
            }
        }
        println!(
            "{} {}, {} writes acknowledged: {} acknowledged writes lost, {} torn",
            self.kills, self.what, self.acknowledged, self.lost, self.torn
        );
        if self.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn tell(&self, count: usize, text: &str) {
        if count <= PRINTED {
            println!("kill {}: {text}", self.kills);
        }
    }
}

/// Reads every slot of every writer and judges it; the writers go on from what was read.
///
/// # Errors
/// Where the server does not answer a read.
pub fn verify(port: u16, ledgers: &mut [Ledger], findings: &mut Findings) -> Result<(), Error> {
    let mut scrolls: BTreeMap<String, usize> = BTreeMap::new();
    for ledger in ledgers.iter_mut() {
        let recovered = read_slots(port, ledger)?;
        for (slot, text) in recovered.iter().enumerate() {
            *scrolls.entry(ledger.place(slot).0).or_default() += usize::from(!text.is_empty());
        }
        judge(ledger, &recovered, findings);
        ledger.resume(recovered);
    }
    for (phext, expected) in scrolls {
        let counted = count_scrolls(port, &phext)?;
        if counted != Some(expected) {
            findings.miscounted += 1;
            let text = format!("{phext} has {counted:?} scrolls, {expected} were found");
            findings.tell(findings.miscounted, &text);
        }
    }
    Ok(())
}

fn judge(ledger: &Ledger, recovered: &[String], findings: &mut Findings) {
    let permitted = ledger.permitted();
    if permitted.iter().any(|state| state == recovered) {
        return;
    }
    let mut explained = true;
    for (slot, text) in recovered.iter().enumerate() {
        if permitted.iter().any(|state| state[slot] == *text) {
            continue;
        }
        explained = false;
        let (phext, at) = ledger.place(slot);
        match damage(ledger, slot, text) {
            Some(damage) => {
                findings.torn += 1;
                findings.tell(findings.torn, &format!("{phext} {at}: {damage}"));
            }
            None => {
                findings.lost += 1;
                let (is, was) = (numbers(text), numbers(&permitted[0][slot]));
                let text = format!("{phext} {at}: holds writes {is:?}, acknowledged were {was:?}");
                findings.tell(findings.lost, &text);
            }
        }
    }
    if explained {
        findings.out_of_order += 1;
        let text = format!(
            "the scrolls of writer {} are of no one point",
            ledger.writer()
        );
        findings.tell(findings.out_of_order, &text);
    }
}

/// What shows that a text is not what its writer put into this slot, if anything does.
fn damage(ledger: &Ledger, slot: usize, text: &str) -> Option<String> {
    let origins = match record::read(text) {
        Ok(origins) => origins,
        Err(at) => return Some(format!("torn at byte {at} of {}", text.len())),
    };
    let foreign = origins.iter().find(|origin| {
        origin.writer != ledger.writer()
            || origin.slot != slot
            || origin.number >= ledger.next_number()
    });
    foreign.map(|origin| format!("holds {origin:?}, which was never sent here"))
}

fn numbers(text: &str) -> Vec<u64> {
    record::read(text).map_or_else(
        |_| Vec::new(),
        |origins| origins.iter().map(|origin| origin.number).collect(),
    )
}

fn read_slots(port: u16, ledger: &Ledger) -> Result<Vec<String>, Error> {
    let mut client = Client::new(port, Persistence::PerRequest);
    let mut recovered = Vec::with_capacity(SLOTS);
    for slot in 0..SLOTS {
        let (phext, at) = ledger.place(slot);
        let query = format!("p={phext}&c={}", percent_encode(at.to_string().as_bytes()));
        recovered.push(read(
            &mut client,
            &Wire::new("GET", "/api/v2/select").query(query),
        )?);
    }
    Ok(recovered)
}

fn count_scrolls(port: u16, phext: &str) -> Result<Option<usize>, Error> {
    let mut client = Client::new(port, Persistence::PerRequest);
    let status = Wire::new("GET", "/api/v2/status").query(format!("p={phext}"));
    let text = read(&mut client, &status)?;
    let count = text.lines().find_map(|line| line.strip_prefix("Scrolls: "));
    Ok(count.and_then(|count| count.parse().ok()))
}

fn read(client: &mut Client, request: &Wire) -> Result<String, Error> {
    let query = String::from_utf8_lossy(&request.query).into_owned();
    let doing = || format!("reading back {}?{query}", request.path);
    let answer = client.request(request).context(doing)?;
    if answer.status != 200 {
        return Err(Error::Server(format!(
            "{}: status {}",
            doing(),
            answer.status
        )));
    }
    Ok(answer.text().into_owned())
}
