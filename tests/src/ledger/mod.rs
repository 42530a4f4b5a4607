//! What one writer has sent and what was acknowledged.
//!
//! A writer owns a ring of slots (coordinates), half of them in a phext of its own and half in one
//! that it shares with other writers. Its operations are numbered and go round the ring, so that
//! a point in its order is a state of all its slots, and any two near points differ.
//!
//! | module | holds |
//! |---|---|
//! | [`record`] | texts that say whether they are whole |
//! | [`writer`] | sends a ledger's operations to a server |
//! | [`verify`] | compares what a server recovered with the ledgers |

pub mod record;
pub mod verify;
pub mod writer;

use std::collections::VecDeque;

use crate::coordinate::Coordinate;
use crate::http::{Wire, percent_encode};
use crate::random::{self, Random, chance, weighted, words};
use rand::Rng;

use self::record::Origin;

/// Slots of a writer.
pub const SLOTS: usize = 32;

/// How many phexts the writers share.
const SHARED: usize = 2;

/// A scroll is overwritten rather than appended to beyond this length.
const LONGEST: usize = 40_000;

/// What an operation does to its slot.
#[derive(Debug, Clone)]
pub enum Change {
    /// Replaces its text.
    Update(String),
    /// Appends to its text.
    Insert(String),
    /// Empties it.
    Delete,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The slot.
    pub slot: usize,
    /// What happens to it.
    pub change: Change,
}

impl Operation {
    /// The text of the slot after the operation.
    pub fn applied(&self, before: &str) -> String {
        match &self.change {
            Change::Update(text) => text.clone(),
            Change::Insert(text) => format!("{before}{text}"),
            Change::Delete => String::new(),
        }
    }

    /// What the server answers when it has done it.
    pub fn acknowledgement(&self, before: &str) -> String {
        match &self.change {
            Change::Update(text) => format!("Updated {} bytes", text.len()),
            Change::Insert(text) => format!("Inserted {} bytes", text.len()),
            Change::Delete => format!("Removed {} bytes", before.len()),
        }
    }
}

/// The ledger of one writer.
#[derive(Debug)]
pub struct Ledger {
    writer: usize,
    random: Random,
    /// The number of the next operation.
    next: u64,
    acknowledged: u64,
    /// The slots after the last acknowledged operation.
    state: Vec<String>,
    /// Sent, in order, and not acknowledged.
    pending: VecDeque<Operation>,
}

impl Ledger {
    /// A writer that has written nothing.
    pub fn new(writer: usize, seed: u64) -> Self {
        Self {
            writer,
            random: random::seeded(seed),
            next: 0,
            acknowledged: 0,
            state: vec![String::new(); SLOTS],
            pending: VecDeque::new(),
        }
    }

    /// Its number.
    pub fn writer(&self) -> usize {
        self.writer
    }

    /// How many of its operations were acknowledged, over all rounds.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many requests to send before reading answers: mostly one, now and then a pipeline.
    pub fn depth(&mut self) -> usize {
        weighted(&mut self.random, &[(8, 1), (1, 2), (1, 4)])
    }

    /// Draws up the next operation, counts it as sent, and gives its bytes.
    pub fn send(&mut self) -> Vec<u8> {
        let number = self.next;
        self.next += 1;
        let slot = usize::try_from(number % SLOTS as u64).expect("a slot is a small number");
        let before = self.latest(slot);
        let change = self.change(
            Origin {
                writer: self.writer,
                number,
                slot,
            },
            &before,
        );
        let operation = Operation { slot, change };
        let bytes = self.request(&operation).to_bytes();
        self.pending.push_back(operation);
        bytes
    }

    /// Takes the acknowledgement of the oldest operation sent; the error says what is wrong with
    /// it.
    pub fn acknowledge(&mut self, status: u16, text: &str) -> Result<(), String> {
        let operation = self.pending.front().ok_or("an answer to nothing")?;
        let before = &self.state[operation.slot];
        let expected = operation.acknowledgement(before);
        if status != 200 || text != expected {
            return Err(format!(
                "writer {}: status {status}, {text:?} instead of {expected:?}",
                self.writer
            ));
        }
        self.state[operation.slot] = operation.applied(before);
        self.pending.pop_front();
        self.acknowledged += 1;
        Ok(())
    }

    /// The states that a recovery may give: after the last acknowledged operation, and after each
    /// one sent since.
    pub fn permitted(&self) -> Vec<Vec<String>> {
        let mut states = vec![self.state.clone()];
        let mut state = self.state.clone();
        for operation in &self.pending {
            state[operation.slot] = operation.applied(&state[operation.slot]);
            states.push(state.clone());
        }
        states
    }

    /// Goes on from what the server recovered.
    pub fn resume(&mut self, recovered: Vec<String>) {
        self.state = recovered;
        self.pending.clear();
    }

    /// The number that no operation has reached yet.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// The phext and coordinate of a slot. Some coordinates have components that SQ would lose.
    pub fn place(&self, slot: usize) -> (String, Coordinate) {
        let mut components = [1; 9];
        components[0] = self.writer as u64 + 1;
        components[7] = if slot.is_multiple_of(5) {
            20_260_000 + slot as u64
        } else {
            slot as u64 + 1
        };
        components[8] = slot as u64 % 3 + 1;
        let phext = if slot.is_multiple_of(2) {
            own(self.writer)
        } else {
            shared(self.writer)
        };
        (phext, Coordinate(components))
    }

    fn latest(&self, slot: usize) -> String {
        let sent = self
            .pending
            .iter()
            .filter(|operation| operation.slot == slot);
        sent.fold(self.state[slot].clone(), |text, operation| {
            operation.applied(&text)
        })
    }

    fn change(&mut self, origin: Origin, before: &str) -> Change {
        let length = match weighted(&mut self.random, &[(90, 0), (9, 1), (1, 2)]) {
            0 => self.random.random_range(0..300),
            1 => self.random.random_range(300..5_000),
            _ => self.random.random_range(5_000..30_000),
        };
        let text = record::write(origin, &words(&mut self.random, length));
        if !before.is_empty() && chance(&mut self.random, 150) {
            Change::Delete
        } else if before.len() < LONGEST && chance(&mut self.random, 300) {
            Change::Insert(text)
        } else {
            Change::Update(text)
        }
    }

    fn request(&self, operation: &Operation) -> Wire {
        let (phext, at) = self.place(operation.slot);
        let query = format!("p={phext}&c={}", percent_encode(at.to_string().as_bytes()));
        match &operation.change {
            Change::Update(text) => Wire::new("POST", "/api/v2/update")
                .query(query)
                .body(text.as_str()),
            Change::Insert(text) => Wire::new("POST", "/api/v2/insert")
                .query(query)
                .body(text.as_str()),
            Change::Delete => Wire::new("GET", "/api/v2/delete").query(query),
        }
    }
}

fn own(writer: usize) -> String {
    format!("own-{writer}")
}

fn shared(writer: usize) -> String {
    format!("shared-{}", writer % SHARED)
}
