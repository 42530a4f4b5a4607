//! What a record says: the changes of one batch, or a checkpoint.
//!
//! Appends are logged as the text they result in, so that replaying a record twice, or over a
//! manifest that already reflects it, gives the same state.

use crate::coordinate::{Coordinate, DIMENSIONS};
use bytes::Bytes;

const KIND_BATCH: u8 = 1;
const KIND_CHECKPOINT: u8 = 2;
const OPERATION_PUT: u8 = 1;
const OPERATION_DELETE: u8 = 2;

/// The content of a log record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Changes to phexts, all or none.
    Batch(Vec<Group>),
    /// The catalog had reached this manifest sequence number.
    Checkpoint {
        /// See [`crate::catalog::Header::sequence`].
        sequence: u64,
    },
}

/// The changes of a batch to one phext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The phext's id; a phext that replay does not know is created with it.
    pub(crate) phext: u64,
    /// The phext's name.
    pub(crate) name: String,
    /// In order.
    pub(crate) operations: Vec<Operation>,
}

/// A change of one scroll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The scroll now holds this text, which is not empty.
    Put(Coordinate, Bytes),
    /// There is no such scroll any more.
    Delete(Coordinate),
}

impl Payload {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Payload::Checkpoint { sequence } => {
                out.push(KIND_CHECKPOINT);
                out.extend_from_slice(&sequence.to_le_bytes());
            }
            Payload::Batch(groups) => {
                out.push(KIND_BATCH);
                out.extend_from_slice(&(groups.len() as u32).to_le_bytes());
                groups.iter().for_each(|group| group.encode(out));
            }
        }
    }

    /// Reads a payload; `None` where it does not parse. `bytes` is shared, not copied.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Payload> {
        let mut reader = Reader { bytes, at: 0 };
        let payload = match reader.u8()? {
            KIND_CHECKPOINT => Payload::Checkpoint {
                sequence: reader.u64()?,
            },
            KIND_BATCH => {
                let count = reader.u32()?;
                let groups = (0..count).map(|_| Group::decode(&mut reader));
                Payload::Batch(groups.collect::<Option<_>>()?)
            }
            _ => return None,
        };
        (reader.at == bytes.len()).then_some(payload)
    }
}

impl Group {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.phext.to_le_bytes());
        out.extend_from_slice(&(self.name.len() as u32).to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&(self.operations.len() as u32).to_le_bytes());
        for operation in &self.operations {
            match operation {
                Operation::Put(coordinate, text) => {
                    out.push(OPERATION_PUT);
                    encode_coordinate(coordinate, out);
                    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    out.extend_from_slice(text);
                }
                Operation::Delete(coordinate) => {
                    out.push(OPERATION_DELETE);
                    encode_coordinate(coordinate, out);
                }
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Group> {
        let phext = reader.u64()?;
        let length = reader.u32()?;
        let name = String::from_utf8(reader.take(length as usize)?.to_vec()).ok()?;
        let count = reader.u32()?;
        let operations = (0..count).map(|_| Operation::decode(reader));
        Some(Group {
            phext,
            name,
            operations: operations.collect::<Option<_>>()?,
        })
    }
}

impl Operation {
    /// What its user wrote: coordinate and text.
    pub(crate) fn user_bytes(&self) -> usize {
        const COORDINATE_BYTES: usize = DIMENSIONS * 4;
        match self {
            Operation::Put(_, text) => COORDINATE_BYTES + text.len(),
            Operation::Delete(_) => COORDINATE_BYTES,
        }
    }

    /// Bytes in the log.
    pub(crate) fn logged_bytes(&self) -> usize {
        const FRAME_BYTES: usize = 1 + DIMENSIONS * 4 + 4;
        match self {
            Operation::Put(_, text) => FRAME_BYTES + text.len(),
            Operation::Delete(_) => FRAME_BYTES,
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Operation> {
        match reader.u8()? {
            OPERATION_PUT => {
                let coordinate = reader.coordinate()?;
                let length = reader.u32()?;
                let text = reader.take(length as usize)?;
                (!text.is_empty()).then_some(Operation::Put(coordinate, text))
            }
            OPERATION_DELETE => Some(Operation::Delete(reader.coordinate()?)),
            _ => None,
        }
    }
}

fn encode_coordinate(coordinate: &Coordinate, out: &mut Vec<u8>) {
    for component in coordinate.components() {
        out.extend_from_slice(&component.to_le_bytes());
    }
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        let end = self.at.checked_add(length)?;
        if end > self.bytes.len() {
            return None;
        }
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.at.checked_add(N)?;
        let array = self.bytes.get(self.at..end)?.try_into().ok()?;
        self.at = end;
        Some(array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn coordinate(&mut self) -> Option<Coordinate> {
        let mut components = [0; DIMENSIONS];
        for component in &mut components {
            *component = self.u32()?;
        }
        Coordinate::new(components).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Payload {
        let coordinate = Coordinate::new([1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        let put = Operation::Put(coordinate, Bytes::from_static("text".as_bytes()));
        let group = |name: &str, operations| Group {
            phext: 3,
            name: name.into(),
            operations,
        };
        Payload::Batch(vec![
            group("a", vec![put, Operation::Delete(Coordinate::ORIGIN)]),
            group("", vec![]),
        ])
    }

    #[test]
    fn payloads_round_trip() {
        for payload in [batch(), Payload::Checkpoint { sequence: 12 }] {
            let mut bytes = Vec::new();
            payload.encode(&mut bytes);
            assert_eq!(Payload::decode(&bytes.into()), Some(payload));
        }
    }

    #[test]
    fn cut_or_lengthened_payloads_do_not_parse() {
        let mut bytes = Vec::new();
        batch().encode(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(
                Payload::decode(&bytes[..length].to_vec().into()),
                None,
                "{length} bytes"
            );
        }
        bytes.push(0);
        assert_eq!(Payload::decode(&bytes.into()), None);
    }
}
