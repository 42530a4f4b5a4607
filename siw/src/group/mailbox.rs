//! Mail between the sentrons of a group, bulk-synchronous: what is sent in a step is there in the next.

/// A box for each sentron.
#[derive(Debug)]
pub(super) struct Mailboxes<T> {
    /// What is to be read in this step, by receiver, in the order of the senders.
    arrived: Vec<Vec<T>>,
    /// What was sent in this step.
    sent: Vec<Vec<T>>,
}

impl<T> Mailboxes<T> {
    pub(super) fn new(sentrons: usize) -> Self {
        let boxes = || (0..sentrons).map(|_| Vec::new()).collect();
        Self {
            arrived: boxes(),
            sent: boxes(),
        }
    }

    /// Sends within a step. Senders come in the order of their numbers.
    pub(super) fn send(&mut self, to: usize, mail: T) {
        self.sent[to].push(mail);
    }

    /// Ends a step: the barrier.
    pub(super) fn deliver(&mut self) {
        crate::telemetry::sent(self.sent.iter().map(Vec::len).sum::<usize>() as u64);
        std::mem::swap(&mut self.arrived, &mut self.sent);
        self.sent.iter_mut().for_each(Vec::clear);
    }

    /// What arrived for a sentron.
    pub(super) fn take(&mut self, sentron: usize) -> Vec<T> {
        std::mem::take(&mut self.arrived[sentron])
    }

    /// The one thing that arrived for a sentron, if anything did.
    pub(super) fn take_one(&mut self, sentron: usize) -> Option<T> {
        self.arrived[sentron].pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_arrives_after_the_step_in_the_order_of_the_senders() {
        let mut mail = Mailboxes::new(2);
        mail.send(1, "first");
        mail.send(1, "second");
        assert!(mail.take(1).is_empty());
        mail.deliver();
        mail.send(1, "later");
        assert_eq!(mail.take(1), ["first", "second"]);
        assert!(mail.take(1).is_empty());
        mail.deliver();
        assert_eq!(mail.take(1), ["later"]);
    }
}
