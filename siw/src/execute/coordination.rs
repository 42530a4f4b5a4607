//! The C pipe: rows, results and groups.

use super::dots::Dots;
use super::group::{Answer, Collective};
use super::kernels::Source;
use super::registers::{Active, Content, Mask, Message, Rows};
use super::sentron::Next;
use super::tally::Tallies;
use super::top::Top;
use super::{Executed, Flow, Outside, Report, ResultRow, Sentron};
use crate::stream::Part;
use crate::{
    Constant, ConstantId, CoordinationOp, Destination, K, M, P, Queries, R, Ranking, Row, T,
    TallyKey,
};

impl<'a> Sentron<'a> {
    /// Runs a C operation. It reads what no other operation of the word has written yet, and writes
    /// only message registers, which no other pipe reads. Each is a call of its own, so that none pays for
    /// the room that others take.
    #[inline(always)]
    pub(super) fn run_coordination(
        &mut self,
        part: Part,
        op: &CoordinationOp,
        outside: &mut Outside<'_>,
    ) -> Executed<Next> {
        match *op {
            CoordinationOp::Nop => {}
            CoordinationOp::Pack { to, ref row } => {
                let rows = if part == Part::Each { self.width } else { 1 };
                self.registers.pack(to, row, rows);
                self.report.ops += rows as u64;
            }
            CoordinationOp::Send { to, from, mask } => {
                return match to {
                    Destination::Sink => self.send(part, from, mask, outside),
                    neighbour => Ok(self.post(neighbour, from, mask)),
                };
            }
            CoordinationOp::Recv { to } => self.receive(to),
            CoordinationOp::Top {
                accumulator,
                ranking,
                at,
                by,
                count,
                mask,
            } => self.rank((accumulator, ranking, count), at, by, mask)?,
            CoordinationOp::Tally {
                accumulator,
                key,
                at,
                value,
                mask,
            } => self.tally((accumulator, key), at, value, mask)?,
            CoordinationOp::Dot {
                accumulator,
                at,
                text,
                queries,
                mask,
            } => self.closest((accumulator, queries), at, text, mask),
            CoordinationOp::Fence => {
                self.report.ops += 1;
                outside.sink.flush()?;
            }
            CoordinationOp::Bar
            | CoordinationOp::Reduce { .. }
            | CoordinationOp::Cast { .. }
            | CoordinationOp::Merge { .. } => {
                self.meet(*op);
                return Ok(Next::Collective);
            }
        }
        Ok(Next::Word)
    }

    /// A row a lane of the batch.
    #[inline(never)]
    pub(super) fn pack_lanes(&mut self, to: M, row: &Row) {
        self.registers.pack(to, row, self.width);
        self.report.ops += self.width as u64;
    }

    #[inline(never)]
    fn send(
        &mut self,
        part: Part,
        from: M,
        mask: Option<K>,
        outside: &mut Outside<'_>,
    ) -> Executed<Next> {
        if part == Part::Last && self.number != 0 {
            return Ok(Next::Word);
        }
        let (registers, report) = (&self.registers, &mut self.report);
        match registers.columns(from) {
            Some(columns) => {
                let active = registers.active(mask, columns.rows);
                let row = |row| registers.row_of(columns, row);
                send_rows(columns.rows, active, row, outside, report)
            }
            None => {
                let rows = registers.rows(from);
                let active = registers.active(mask, rows);
                let row = |row| registers.row(from, row);
                send_rows(rows, active, row, outside, report)
            }
        }
    }

    /// Puts rows into the mail of the group.
    #[inline(never)]
    fn post(&mut self, to: Destination, from: M, mask: Option<K>) -> Next {
        let mut sent = std::mem::take(&mut self.registers.memory.sent);
        let rows = self.registers.rows(from);
        let active = self.registers.active(mask, rows);
        let rows = (0..rows).filter(|&row| active.get(row));
        let messages = rows.map(|row| (to, Message::of(&self.registers.row(from, row))));
        let before = sent.len();
        sent.extend(messages);
        self.report.ops += (sent.len() - before) as u64;
        self.registers.memory.sent = sent;
        Next::Word
    }

    /// Takes what is in the mail of the sentron.
    #[inline(never)]
    fn receive(&mut self, to: M) {
        let received = std::mem::take(&mut self.registers.memory.received);
        let rows = Rows::new(received, Default::default());
        self.registers.put_content(to, Content::Rows(rows));
        self.report.ops += 1;
    }

    #[inline(never)]
    fn rank(
        &mut self,
        (accumulator, ranking, count): (M, Ranking, ConstantId),
        at: P,
        by: R,
        mask: Option<K>,
    ) -> Executed<()> {
        let content = std::mem::take(self.registers.content(accumulator));
        let mut top = match content {
            Content::Top(top) => top,
            _ => Top::new(ranking, self.constant(count)),
        };
        let buffer = self.registers.as_lanes(by);
        let active = self.registers.active(mask, self.width);
        let numbers = self.registers.lane_numbers(buffer);
        // Once there are enough rows, few lanes are as good as the worst of them.
        let mut candidates = Mask([u64::MAX; _]);
        if let Some(worst) = top.worst() {
            let (comparison, worst) = (top.comparison(), Source::Scalar(worst));
            self.kernels
                .compare(comparison, numbers, worst, &mut candidates, self.width);
        }
        let places = self.registers.places(at);
        for lane in active.of(candidates).lanes() {
            top.offer(places[lane].coordinate, numbers[lane]);
        }
        top.check()?;
        self.report.ops += active.count();
        *self.registers.content(accumulator) = Content::Top(top);
        Ok(())
    }

    /// The vectors of a constant, and how many rows are kept for each.
    pub(super) fn constant_queries(&self, id: ConstantId) -> &'a Queries {
        match &self.stream.constants[id.index()] {
            Constant::Queries(queries) => queries,
            _ => unreachable!("the validator has seen that this constant is queries"),
        }
    }

    #[inline(never)]
    fn closest(
        &mut self,
        (accumulator, queries): (M, ConstantId),
        at: P,
        texts: T,
        mask: Option<K>,
    ) {
        let content = std::mem::take(self.registers.content(accumulator));
        let mut dots = match content {
            Content::Dots(dots) => dots,
            _ => Box::new(Dots::new(self.constant_queries(queries))),
        };
        let active = self.registers.active(mask, self.width);
        let arena = &self.registers.memory.arena;
        let texts = self.registers.texts(texts).iter().enumerate();
        let lanes = self.registers.places(at).iter().zip(texts);
        let active_texts = lanes.filter_map(|(lane, (index, text))| {
            let text = text.bytes(arena).filter(|_| active.get(index))?;
            Some((&lane.coordinate, text))
        });
        dots.add(self.kernels, active_texts);
        self.report.ops += active.count();
        *self.registers.content(accumulator) = Content::Dots(dots);
    }

    #[inline(never)]
    fn tally(
        &mut self,
        (accumulator, key): (M, TallyKey),
        at: P,
        value: Option<R>,
        mask: Option<K>,
    ) -> Executed<()> {
        let content = std::mem::take(self.registers.content(accumulator));
        let mut tallies = match content {
            Content::Tallies(tallies) => tallies,
            _ => Tallies::new(key),
        };
        let active = self.registers.active(mask, self.width);
        for (index, lane) in self.registers.places(at).iter().enumerate() {
            if active.get(index) {
                let value = value.map(|value| self.registers.number_at(value, index));
                tallies.add(&lane.coordinate, value)?;
            }
        }
        self.report.ops += active.count();
        *self.registers.content(accumulator) = Content::Tallies(tallies);
        Ok(())
    }

    /// Keeps what the sentron brings to a collective, at which it waits.
    #[inline(never)]
    fn meet(&mut self, op: CoordinationOp) {
        self.report.ops += 1;
        self.waits_at = op;
        self.meeting = Some(match op {
            CoordinationOp::Reduce {
                accumulator,
                reduction,
            } => Collective::Reduce(reduction, self.registers.number_at(accumulator, 0)),
            CoordinationOp::Cast { message } => Collective::Cast(self.registers.copy_rows(message)),
            CoordinationOp::Merge { message } => {
                Collective::Merge(self.registers.copy_rows(message))
            }
            _ => Collective::Barrier(std::mem::take(&mut self.registers.memory.sent)),
        });
    }

    /// Takes the answer of the collective at which the part of the stream stopped.
    ///
    /// # Panics
    /// When the sentron waits for no such answer.
    pub fn resume(&mut self, answer: Answer) {
        match (std::mem::take(&mut self.waits_at), answer) {
            (CoordinationOp::Bar, Answer::Received(rows)) => {
                self.registers.memory.received.extend(rows);
            }
            (CoordinationOp::Reduce { accumulator, .. }, Answer::Reduced(value)) => {
                self.registers.put_scalar(accumulator, value);
            }
            (
                CoordinationOp::Cast { message } | CoordinationOp::Merge { message },
                Answer::Rows(rows),
            ) => self.registers.put_content(message, Content::Rows(rows)),
            (op, answer) => panic!("a sentron waits at {op:?}, and is given {answer:?}"),
        }
    }
}

/// Gives the active ones of so many rows to the sink.
#[inline(always)]
fn send_rows<'r>(
    rows: usize,
    active: Active<'_>,
    make: impl Fn(usize) -> ResultRow<'r>,
    outside: &mut Outside<'_>,
    report: &mut Report,
) -> Executed<Next> {
    for row in (0..rows).filter(|&row| active.get(row)) {
        report.ops += 1;
        report.rows += 1;
        if outside.sink.row(&make(row))? == Flow::Stop {
            return Ok(Next::Stop);
        }
    }
    Ok(Next::Word)
}
