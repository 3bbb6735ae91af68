//! Remembers, for each handshake under way, when its SYN left and which RTT it is to have.

use std::collections::HashMap;

use crate::address::Flow;

/// How long after its answer was due a handshake is remembered: longer than a kernel repeats a lost SYN-ACK for a prober
/// that still cares.
const MEMORY_NS: u64 = 5_000_000_000;

/// A handshake that is to take `asked_ns` from the SYN to the SYN-ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub flow: Flow,
    /// When the SYN left the vantage point, on the router's clock.
    pub syn_at: u64,
    pub asked_ns: u64,
}

impl Asked {
    /// When the SYN-ACK is to reach the vantage point.
    pub fn due_at(&self) -> u64 {
        self.syn_at + self.asked_ns
    }
}

#[derive(Debug)]
struct Entry {
    asked: Asked,
    sequence: u32,
    answered: bool,
}

/// Handshakes by four-tuple.
#[derive(Debug, Default)]
pub(crate) struct FlowTable {
    entries: HashMap<Flow, Entry>,
}

impl FlowTable {
    /// Notes a SYN that will be carried. A repeated SYN whose original is still under way changes nothing: the answer to the
    /// original comes first.
    pub fn syn(&mut self, asked: Asked, sequence: u32) {
        let under_way = self
            .entries
            .get(&asked.flow)
            .is_some_and(|entry| entry.sequence == sequence && !entry.answered && asked.syn_at < entry.asked.due_at());
        if !under_way {
            let entry = Entry { asked, sequence, answered: false };
            self.entries.insert(asked.flow, entry);
        }
    }

    /// The handshake that this SYN-ACK is the first answer to; `None` for a repeated or unexpected one.
    pub fn syn_ack(&mut self, flow: &Flow, syn_sequence: u32) -> Option<Asked> {
        let entry = self.entries.get_mut(flow)?;
        if entry.sequence != syn_sequence || entry.answered {
            return None;
        }
        entry.answered = true;
        Some(entry.asked)
    }

    /// Forgets handshakes that were due long before `now`.
    pub fn sweep(&mut self, now: u64) {
        self.entries.retain(|_, entry| now < entry.asked.due_at() + MEMORY_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(syn_at: u64, asked_ns: u64) -> Asked {
        let flow = Flow {
            vantage: "10.1.0.1:50000".parse().expect("address"),
            target: "10.2.0.2:443".parse().expect("address"),
        };
        Asked { flow, syn_at, asked_ns }
    }

    #[test]
    fn an_answer_is_due_once() {
        let mut table = FlowTable::default();
        let asked = asked(1_000, 50);
        table.syn(asked, 7);
        assert_eq!(table.syn_ack(&asked.flow, 8), None);
        assert_eq!(table.syn_ack(&asked.flow, 7), Some(asked));
        assert_eq!(table.syn_ack(&asked.flow, 7), None);
        assert_eq!(asked.due_at(), 1_050);
    }

    #[test]
    fn a_repeated_syn_counts_only_when_the_first_is_no_longer_under_way() {
        let mut table = FlowTable::default();
        let first = asked(1_000, 50);
        table.syn(first, 7);
        table.syn(asked(1_049, 50), 7);
        assert_eq!(table.syn_ack(&first.flow, 7), Some(first));

        let mut table = FlowTable::default();
        table.syn(first, 7);
        let second = asked(1_050, 60);
        table.syn(second, 7);
        assert_eq!(table.syn_ack(&first.flow, 7), Some(second));
    }

    #[test]
    fn a_reused_port_is_a_new_handshake() {
        let mut table = FlowTable::default();
        table.syn(asked(1_000, 500), 7);
        let next = asked(1_100, 500);
        table.syn(next, 8);
        assert_eq!(table.syn_ack(&next.flow, 7), None);
        assert_eq!(table.syn_ack(&next.flow, 8), Some(next));
    }

    #[test]
    fn old_handshakes_are_forgotten() {
        let mut table = FlowTable::default();
        let asked = asked(1_000, 50);
        table.syn(asked, 7);
        table.sweep(asked.due_at() + MEMORY_NS - 1);
        assert_eq!(table.entries.len(), 1);
        table.sweep(asked.due_at() + MEMORY_NS);
        assert_eq!(table.entries.len(), 0);
    }
}
