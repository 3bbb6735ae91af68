//! The router's decisions, apart from its packets and clocks: what becomes of a packet, and when it arrives.

use std::sync::Arc;
use std::time::Duration;

use crate::address::Side;
use crate::flow_table::{Asked, FlowTable};
use crate::packet::{Kind, Packet};
use crate::world::{Link, World};

/// How long after its time a packet may still be delivered whose time nobody can observe. Such packets are carried together
/// with others, which spares wake-ups.
pub(crate) const SLACK_NS: u64 = 1_000_000;

/// How much the time of delivery matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// To the microsecond: somebody measures it.
    Exact,
    /// Within [`SLACK_NS`] after it.
    Lax,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is lost.
    Drop,
    /// It is delivered to the other side at `at` (the router's clock).
    Carry {
        at: u64,
        timing: Timing,
        /// Set if this is the SYN-ACK that completes a handshake.
        completes: Option<Asked>,
    },
}

/// State that decisions depend on.
#[derive(Debug)]
pub(crate) struct Switchboard {
    world: Arc<World>,
    flows: FlowTable,
    random: fastrand::Rng,
}

impl Switchboard {
    pub fn new(world: Arc<World>, seed: u64) -> Self {
        Self { world, flows: FlowTable::default(), random: fastrand::Rng::with_seed(seed) }
    }

    /// From now on packets fare as in `world`, which has the same places. Packets under way keep their times.
    pub fn set_world(&mut self, world: Arc<World>) {
        self.world = world;
    }

    /// Forgets handshakes long over. To be called about once a second.
    pub fn sweep(&mut self, now: u64) {
        self.flows.sweep(now);
    }

    /// Decides on a packet that was read at `now` and left its sender at `left_at`, not later.
    pub fn decide(&mut self, packet: &Packet, left_at: u64, now: u64) -> Verdict {
        let regions = self.world.places().len();
        if packet.vantage >= regions || packet.target >= regions {
            return Verdict::Drop;
        }
        let link = self.world.link_at(packet.vantage, packet.target);
        if link.down || self.is_lost(packet, &link) {
            return Verdict::Drop;
        }
        let half = nanoseconds(link.rtt) / 2;
        match packet.kind {
            Kind::Syn { flow, sequence } => {
                let asked_ns = nanoseconds(link.rtt) + self.jitter(link.jitter);
                self.flows.syn(Asked { flow, syn_at: left_at, asked_ns }, sequence);
                let (at, timing) = syn_arrival(left_at, half);
                Verdict::Carry { at, timing, completes: None }
            }
            Kind::SynAck { flow, syn_sequence } => {
                let completes = self.flows.syn_ack(&flow, syn_sequence);
                let at = completes.map_or(now + half, |asked| asked.due_at());
                Verdict::Carry { at, timing: Timing::Exact, completes }
            }
            Kind::Bare => Verdict::Carry { at: left_at + half, timing: Timing::Lax, completes: None },
            Kind::Content => {
                let at = left_at + half + self.jitter(link.jitter / 2);
                Verdict::Carry { at, timing: Timing::Exact, completes: None }
            }
        }
    }

    fn is_lost(&mut self, packet: &Packet, link: &Link) -> bool {
        let exposed = match packet.kind {
            Kind::Syn { .. } | Kind::Content => packet.from == Side::Vantage,
            Kind::SynAck { .. } | Kind::Bare => false,
        };
        exposed && self.random.f64() < link.loss
    }

    /// An exponentially distributed time of the given mean.
    fn jitter(&mut self, mean: Duration) -> u64 {
        if mean.is_zero() {
            return 0;
        }
        // f64() is in [0, 1), so the logarithm is finite.
        (-(1.0 - self.random.f64()).ln() * mean.as_nanos() as f64) as u64
    }
}

/// When a SYN reaches its target. Nobody can observe that, only when the answer to it arrives: so it comes early enough that
/// the answer is ready by then, and on a long way with slack.
fn syn_arrival(left_at: u64, half: u64) -> (u64, Timing) {
    match half.checked_sub(SLACK_NS) {
        Some(early) => (left_at + early, Timing::Lax),
        None => (left_at + half / 2, Timing::Exact),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Flow;
    use crate::{Place, Scenario};

    const MS: u64 = 1_000_000;

    fn board(link: &str) -> Switchboard {
        let place = |id: &str| Place { id: id.into(), latitude: 0.0, longitude: 0.0 };
        let scenario = format!("[[link]]\nsource=\"a\"\ntarget=\"b\"\nsymmetric=false\n{link}");
        let world = World::from_places(&[place("a"), place("b")])
            .with(&Scenario::parse(&scenario).expect("valid"))
            .expect("known regions");
        Switchboard::new(Arc::new(world), 1)
    }

    fn flow(port: u16) -> Flow {
        Flow { vantage: ([10, 1, 0, 1], port).into(), target: ([10, 2, 0, 2], 443).into() }
    }

    fn packet(from: Side, kind: Kind) -> Packet {
        Packet { from, vantage: 0, target: 1, kind }
    }

    fn syn(port: u16) -> Packet {
        packet(Side::Vantage, Kind::Syn { flow: flow(port), sequence: 1 })
    }

    fn syn_ack(port: u16) -> Packet {
        packet(Side::Target, Kind::SynAck { flow: flow(port), syn_sequence: 1 })
    }

    /// Carries one handshake and returns the RTT asked for; `None` if the SYN is lost.
    fn asked(board: &mut Switchboard, port: u16) -> Option<u64> {
        let Verdict::Carry { at, .. } = board.decide(&syn(port), 0, 0) else {
            return None;
        };
        match board.decide(&syn_ack(port), at, at) {
            Verdict::Carry { at, timing: Timing::Exact, completes: Some(asked) } => {
                assert_eq!(asked.asked_ns, at);
                Some(at)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_answer_is_due_at_an_absolute_time() {
        let mut board = board("rtt_ms = 10");
        // The SYN left at 0, was read 3 ms late and its answer 2 ms late: that must not show.
        let Verdict::Carry { at, timing, .. } = board.decide(&syn(1), 0, 3 * MS) else { panic!() };
        assert_eq!((at, timing), (5 * MS - SLACK_NS, Timing::Lax));
        let Verdict::Carry { at, timing, completes } = board.decide(&syn_ack(1), 7 * MS, 7 * MS) else { panic!() };
        assert_eq!((at, timing), (10 * MS, Timing::Exact));
        assert_eq!(completes.map(|asked| asked.asked_ns), Some(10 * MS));
    }

    #[test]
    fn a_syn_on_a_short_way_is_not_kept_for_company() {
        let mut board = board("rtt_ms = 1");
        let Verdict::Carry { at, timing, .. } = board.decide(&syn(1), 0, 0) else { panic!() };
        assert_eq!((at, timing), (MS / 4, Timing::Exact));
    }

    #[test]
    fn other_packets_take_half_the_time() {
        let mut board = board("rtt_ms = 10");
        for from in [Side::Vantage, Side::Target] {
            let expect = |timing| Verdict::Carry { at: 6 * MS, timing, completes: None };
            assert_eq!(board.decide(&packet(from, Kind::Bare), MS, MS), expect(Timing::Lax));
            assert_eq!(board.decide(&packet(from, Kind::Content), MS, MS), expect(Timing::Exact));
        }
        // A repeated SYN-ACK completes nothing.
        let repeated = Verdict::Carry { at: 6 * MS, timing: Timing::Exact, completes: None };
        assert_eq!(board.decide(&syn_ack(9), MS, MS), repeated);
    }

    #[test]
    fn jitter_is_exponential_above_the_rtt_and_repeatable() {
        let draw = || {
            let mut board = board("rtt_ms = 10\njitter_ms = 2");
            let mut rtts: Vec<u64> = (1..=20_000).filter_map(|port| asked(&mut board, port)).collect();
            rtts.sort_unstable();
            rtts
        };
        let rtts = draw();
        assert_eq!(rtts, draw());
        assert!(rtts[0] >= 10 * MS);
        let mean = rtts.iter().sum::<u64>() as f64 / rtts.len() as f64 / MS as f64;
        let median = rtts[rtts.len() / 2] as f64 / MS as f64;
        // Standard error of the mean: 2 ms / sqrt(20,000) = 0.014 ms; of the median the same.
        assert!((mean - 12.0).abs() < 0.07, "{mean}");
        assert!((median - (10.0 + 2.0 * std::f64::consts::LN_2)).abs() < 0.07, "{median}");
    }

    #[test]
    fn loss_has_its_probability_and_spares_bare_segments() {
        let mut board = board("rtt_ms = 10\nloss = 0.3");
        let lost = (1..=20_000).filter(|&port| asked(&mut board, port).is_none()).count();
        // Binomial: 6,000 with a standard deviation of 65.
        assert!((6_000 - 325..6_000 + 325).contains(&lost), "{lost}");
        let bare = packet(Side::Vantage, Kind::Bare);
        assert!((0..1_000).all(|_| board.decide(&bare, 0, 0) != Verdict::Drop));
        let back = packet(Side::Target, Kind::Content);
        assert!((0..1_000).all(|_| board.decide(&back, 0, 0) != Verdict::Drop));
    }

    #[test]
    fn certain_loss_and_outage() {
        let mut certain = board("loss = 1");
        assert!((1..1_000).all(|port| asked(&mut certain, port).is_none()));
        let mut down = board("down = true");
        for from in [Side::Vantage, Side::Target] {
            assert_eq!(down.decide(&packet(from, Kind::Bare), 0, 0), Verdict::Drop);
        }
        assert_eq!(down.decide(&syn_ack(1), 0, 0), Verdict::Drop);
    }

    #[test]
    fn addresses_without_a_region_are_dropped() {
        let stranger = Packet { target: 2, ..syn(1) };
        assert_eq!(board("").decide(&stranger, 0, 0), Verdict::Drop);
    }
}
