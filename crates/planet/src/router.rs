//! The router: one thread that carries packets between the two TUN devices, each at its time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::accuracy::AskedRtt;
use crate::address::Side;
use crate::delay_queue::DelayQueue;
use crate::departures::{Departures, on_router_clock};
use crate::flow_table::Asked;
use crate::lead::Lead;
use crate::packet::{Kind, Packet};
use crate::shared::{News, Shared};
use crate::switchboard::{SLACK_NS, Switchboard, Timing, Verdict};
use crate::sys;

/// Larger than any packet: the devices' MTU is 1,500.
const BUFFER: usize = 2048;
/// Buffers kept for reuse: what a busy second has under way.
const SPARE_BUFFERS: usize = 4096;
/// Packets read from one side before the other's turn comes.
const READ_BATCH: usize = 32;
const HOUSEKEEPING_NS: u64 = 100_000_000;

/// A packet under way.
struct Parcel {
    to: Side,
    bytes: Vec<u8>,
    completes: Option<Asked>,
}

/// Everything the router's thread owns.
pub(crate) struct Router {
    pub vantage: File,
    pub target: File,
    pub stop: OwnedFd,
    pub departures: Departures,
    pub shared: Arc<Shared>,
    pub seed: u64,
}

impl Router {
    /// Carries packets until `stop` is written to.
    ///
    /// # Errors
    /// Only if waiting for packets fails, which a kernel does not do to valid descriptors.
    pub fn run(self) -> io::Result<()> {
        let promptness = sys::be_prompt();
        tracing::debug!(?promptness, "router started");
        let started = sys::monotonic_ns();
        // Before the world: a change in between is then noticed.
        let version = self.shared.version();
        let mut state = State {
            board: Switchboard::new(self.shared.world(), self.seed),
            version,
            exact: DelayQueue::new(),
            lax: DelayQueue::new(),
            spare: Vec::new(),
            lead: Lead::new(),
            news: News::default(),
            housekeeping_at: started,
            started,
            io: self,
        };
        while state.turn()? {}
        Ok(())
    }

    fn side(&self, side: Side) -> &File {
        match side {
            Side::Vantage => &self.vantage,
            Side::Target => &self.target,
        }
    }
}

struct State {
    io: Router,
    board: Switchboard,
    version: u64,
    exact: DelayQueue<Parcel>,
    lax: DelayQueue<Parcel>,
    spare: Vec<Vec<u8>>,
    lead: Lead,
    news: News,
    housekeeping_at: u64,
    started: u64,
}

impl State {
    /// Delivers what is due, waits, reads what has come. `false` when it is time to stop.
    fn turn(&mut self) -> io::Result<bool> {
        self.deliver();
        if !self.news.completed.is_empty() {
            self.io.shared.try_record(&mut self.news);
        }
        let now = sys::monotonic_ns();
        if now >= self.housekeeping_at {
            self.keep_house(now);
        }
        let wake_at = self.wake_at();
        let timeout = wake_at.saturating_sub(now);
        let fds = [self.io.vantage.as_fd(), self.io.target.as_fd(), self.io.stop.as_fd()];
        let [vantage, target, stop] = sys::wait_readable(fds, Some(Duration::from_nanos(timeout)))?;
        if timeout > 0 && !vantage && !target {
            self.lead.observe(sys::monotonic_ns().saturating_sub(wake_at));
        }
        if target {
            self.read(Side::Target);
        }
        if vantage {
            self.read(Side::Vantage);
        }
        Ok(!stop)
    }

    fn wake_at(&self) -> u64 {
        let exact = self.exact.next_at().map(|at| at.saturating_sub(self.lead.ns()));
        let lax = self.lax.next_at().map(|at| at + SLACK_NS);
        [exact, lax].into_iter().flatten().fold(self.housekeeping_at, u64::min)
    }

    /// Delivers all that is due, busy-waiting for exact packets that soon will be.
    fn deliver(&mut self) {
        loop {
            let now = sys::monotonic_ns();
            if let Some(parcel) = self.exact.pop_due(now) {
                self.hand_over(parcel, now);
                continue;
            }
            let soon = self.exact.next_at().is_some_and(|at| at <= now + self.lead.ns());
            let overdue = self.lax.next_at().is_some_and(|at| at + SLACK_NS <= now);
            if soon && !overdue {
                std::hint::spin_loop();
            } else if let Some(parcel) = self.lax.pop_due(now) {
                self.hand_over(parcel, now);
            } else {
                return;
            }
        }
    }

    fn hand_over(&mut self, parcel: Parcel, now: u64) {
        if let Err(error) = self.io.side(parcel.to).write(&parcel.bytes) {
            tracing::debug!(%error, to = ?parcel.to, "the kernel refused a packet");
        } else if let Some(asked) = parcel.completes {
            self.news.completed.push(AskedRtt {
                flow: asked.flow,
                syn_at_ns: sys::realtime_ns().saturating_sub(sys::monotonic_ns().saturating_sub(asked.syn_at)),
                asked: Duration::from_nanos(asked.asked_ns),
                delivered: Duration::from_nanos(now.saturating_sub(asked.syn_at)),
            });
        }
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(parcel.bytes);
        }
    }

    fn read(&mut self, side: Side) {
        self.follow_world();
        for _ in 0..READ_BATCH {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.resize(BUFFER, 0);
            match self.io.side(side).read(&mut bytes) {
                Ok(length) => {
                    bytes.truncate(length);
                    self.route(side, bytes);
                }
                Err(error) => {
                    self.spare.push(bytes);
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::debug!(%error, ?side, "cannot read a packet");
                    }
                    return;
                }
            }
        }
    }

    fn follow_world(&mut self) {
        let version = self.io.shared.version();
        if version == self.version {
            return;
        }
        if let Some(world) = self.io.shared.try_world() {
            self.version = version;
            self.board.set_world(world);
        }
    }

    fn route(&mut self, side: Side, bytes: Vec<u8>) {
        let packet = Packet::parse(&bytes).filter(|packet| packet.from == side);
        let Some(packet) = packet else {
            // The kernel's own chatter (neighbour discovery, multicast reports).
            self.spare.push(bytes);
            return;
        };
        let now = sys::monotonic_ns();
        let left_at = self.left_at(&packet, now);
        match self.board.decide(&packet, left_at, now) {
            Verdict::Drop => self.spare.push(bytes),
            Verdict::Carry { at, timing, completes } => {
                let parcel = Parcel { to: side.other(), bytes, completes };
                match timing {
                    Timing::Exact => self.exact.push(at, parcel),
                    Timing::Lax => self.lax.push(at, parcel),
                }
            }
        }
    }

    /// When a packet that was read at `now` left its sender, on the router's clock.
    fn left_at(&mut self, packet: &Packet, now: u64) -> u64 {
        let Kind::Syn { flow, sequence } = packet.kind else {
            return now;
        };
        let stamp = self.io.departures.of(flow, sequence);
        let left_at = stamp.and_then(|stamp| on_router_clock(stamp, sys::realtime_ns(), sys::monotonic_ns()));
        left_at.unwrap_or_else(|| {
            self.news.unstamped += 1;
            now
        })
    }

    fn keep_house(&mut self, now: u64) {
        self.housekeeping_at = now + HOUSEKEEPING_NS;
        self.board.sweep(now);
        self.io.departures.sweep(sys::realtime_ns());
        (self.news.cpu_ns, self.news.running_ns) = (sys::thread_cpu_ns(), now - self.started);
        self.io.shared.try_record(&mut self.news);
    }
}
