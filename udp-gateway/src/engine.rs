//! The loop that receives: one thread, which books senders, fills batches and hands them on.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use cloudping_environment::now as wall_clock;
use cloudping_model::UtcMicros;
use tokio::sync::mpsc::Sender;

use crate::batch::{BatchLimits, Batcher};
use crate::deliver::Job;
use crate::destination::{Chosen, Destination};
use crate::listener::{self, Listener};
use crate::packets::{Packet, Packets};
use crate::replies::Replies;
use crate::senders::Senders;
use crate::shares::{Full, Shares};
use crate::sys::{self, Inbox};
use crate::tally::Count;
use crate::targets::Sink;

/// How long it sleeps at most where nothing comes.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What the loop works on.
pub struct Engine {
    /// The sockets.
    pub listeners: Arc<Vec<Listener>>,
    /// The destinations.
    pub lanes: Vec<Lane>,
    /// Who sends how much.
    pub senders: Senders,
    /// Senders that lost their place in the table, for others to read.
    pub displaced: Arc<Count>,
    /// Batches that have left, by destination.
    pub returns: Receiver<(usize, Packets)>,
    /// Says that the loop is to end.
    pub stop: Arc<AtomicBool>,
    /// Wakes it for that.
    pub wake: UnixDatagram,
}

/// A destination as the loop sees it.
pub struct Lane {
    destination: Arc<Destination>,
    batcher: Batcher,
    shares: Shares,
    jobs: Sender<Job>,
    /// Memory for batches to come.
    spare: Vec<Packets>,
    /// Of the next batch.
    number: u64,
    replies: Replies,
}

impl Engine {
    /// Receives until it is told to stop; then sends what it has.
    ///
    /// # Errors
    /// When a socket fails for good.
    pub fn run(mut self) -> io::Result<()> {
        let mut inbox = Inbox::default();
        while !self.stop.load(Ordering::Relaxed) {
            while let Ok((lane, packets)) = self.returns.try_recv() {
                if let Some(lane) = self.lanes.get_mut(lane) {
                    lane.recycle(packets);
                }
            }
            let mut received = 0;
            for number in 0..self.listeners.len() {
                received += self.receive(number, &mut inbox)?;
            }
            self.close_what_is_due(Instant::now());
            if received == 0 {
                self.sleep()?;
            }
        }
        let now = Instant::now();
        for lane in &mut self.lanes {
            lane.close(&self.listeners, now);
        }
        Ok(())
    }

    fn receive(&mut self, number: usize, inbox: &mut Inbox) -> io::Result<usize> {
        let listener = &self.listeners[number];
        let received = match inbox.receive(&listener.socket) {
            Ok(received) => received,
            // What an ICMP message says of a reply that was sent from this socket.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(1),
            Err(error) => return Err(error),
        };
        if received == 0 {
            return Ok(0);
        }
        let (now, at) = (Instant::now(), wall_clock());
        let (mut bytes, mut not_allowed, mut rate_limited, mut accepted) = (0, 0, 0, 0);
        for (remote, data) in inbox.iter() {
            bytes += data.len() as u64;
            if !listener.allows(remote.ip()) {
                not_allowed += 1;
                continue;
            }
            let seen = self.senders.book(remote.ip(), now);
            if !seen.within_rate {
                rate_limited += 1;
                continue;
            }
            accepted += 1;
            let packet = packet(remote, number, seen.place, at, data);
            for lane in &listener.destinations {
                self.lanes[*lane].offer(&packet, &self.listeners, now);
            }
        }
        let tally = &listener.tally;
        // A datagram whose address cannot be read is none that anybody may be answered.
        tally.received.add(accepted + not_allowed + rate_limited);
        tally.bytes.add(bytes);
        tally.not_allowed.add(not_allowed);
        tally.rate_limited.add(rate_limited);
        tally.accepted.add(accepted);
        let displaced = self.senders.displaced();
        self.displaced.add(displaced - self.displaced.get());
        Ok(received)
    }

    fn close_what_is_due(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            if lane.batcher.deadline().is_some_and(|deadline| deadline <= now) {
                lane.close(&self.listeners, now);
            }
        }
    }

    /// Until something comes or a batch is due.
    fn sleep(&self) -> io::Result<()> {
        let now = Instant::now();
        let next = self.lanes.iter().filter_map(|lane| lane.batcher.deadline()).min();
        let time = next.map_or(LONGEST_SLEEP, |next| next.saturating_duration_since(now).min(LONGEST_SLEEP));
        let sockets = self.listeners.iter().map(|listener| listener.socket.as_fd());
        let readable: Vec<_> = sockets.chain([self.wake.as_fd()]).collect();
        sys::wait(&readable, time)
    }
}

fn packet(remote: SocketAddr, listener: usize, sender: u32, received_at: UtcMicros, data: &[u8]) -> Packet<'_> {
    // Listeners have ports, of which there are fewer than 2^16.
    Packet { remote, listener: u16::try_from(listener).unwrap_or(u16::MAX), sender, received_at, data }
}

impl Lane {
    /// A destination's lane; `waiting` is what may wait in it in bytes, of so many senders.
    #[must_use]
    pub fn new(
        destination: Arc<Destination>,
        limits: BatchLimits,
        waiting: u64,
        senders: usize,
        jobs: Sender<Job>,
    ) -> Self {
        Self {
            destination,
            batcher: Batcher::new(limits),
            shares: Shares::new(waiting, senders),
            jobs,
            spare: Vec::new(),
            number: 0,
            replies: Replies::default(),
        }
    }

    fn offer(&mut self, packet: &Packet<'_>, listeners: &[Listener], now: Instant) {
        let tally = &self.destination.tally;
        tally.offered.add(1);
        match self.shares.take(packet.sender, packet.data.len()) {
            Ok(()) => {}
            Err(Full::NoRoom) => return tally.queue_full.add(1),
            Err(Full::UnfairShare) => return tally.unfair_share.add(1),
        }
        if !self.batcher.fits(packet.data.len()) {
            self.close(listeners, now);
        }
        if self.batcher.push(packet, now) {
            self.close(listeners, now);
        }
    }

    /// Sends the batch as it is, if there is anything in it.
    fn close(&mut self, listeners: &[Listener], now: Instant) {
        if self.batcher.deadline().is_none() {
            return;
        }
        let packets = self.batcher.take(self.spare.pop().unwrap_or_default());
        let number = self.number;
        self.number += 1;
        if let Some(left) = self.hand_over(packets, number, listeners, now) {
            self.recycle(left);
        }
    }

    /// Returns the batch once it is done with, unless it is on its way elsewhere.
    fn hand_over(&mut self, packets: Packets, number: u64, listeners: &[Listener], now: Instant) -> Option<Packets> {
        let (destination, tally) = (&self.destination, &self.destination.tally);
        let count = packets.len() as u64;
        let mut but: Option<Chosen> = None;
        loop {
            let Some(chosen) = destination.choose(now, but.as_ref()) else {
                let dropped = if but.is_some() { &tally.failed } else { &tally.no_target };
                dropped.add(count);
                return Some(packets);
            };
            let Sink::InProcess(handler) = &chosen.sink else {
                // It is chosen anew when its turn has come.
                destination.unused(&chosen, now);
                let job = self.jobs.try_send(Job { packets, number, but }).err()?.into_inner();
                tally.queue_full.add(count);
                return Some(job.packets);
            };
            tally.retried.add(but.is_some().into());
            self.replies.start(packets.len());
            match handler.handle(&packets, &mut self.replies) {
                Ok(()) => {
                    destination.took(&chosen, packets.len(), self.replies.len());
                    tally.count(&self.replies.unusable());
                    listener::reply(listeners, &packets, &self.replies);
                    return Some(packets);
                }
                Err(error) => {
                    if !destination.failed(&chosen, &error, now) || but.is_some() {
                        tally.failed.add(count);
                        return Some(packets);
                    }
                    but = Some(chosen);
                }
            }
        }
    }

    /// Gives back the room that a batch took, and keeps its memory for another.
    fn recycle(&mut self, mut packets: Packets) {
        for packet in packets.iter() {
            self.shares.give_back(packet.sender, packet.data.len());
        }
        packets.clear();
        self.spare.push(packets);
    }
}
