//! Brings batches to targets: to one, and to the next nearest if that one failed.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use cloudping_schemas::gateway::{Answer, Batch, Formatter, Local, Message, Remote};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::destination::{Chosen, Destination};
use crate::listener::{self, Listener};
use crate::packets::Packets;
use crate::replies::{Replies, tag_of};
use crate::targets::{Delivery, Sink, Target, TargetError};

/// What a target may take beyond its time before it is given up: it keeps the time itself, and knows better what became of the batch.
const GRACE: Duration = Duration::from_millis(50);

/// A batch that is to be delivered.
#[derive(Debug)]
pub struct Job {
    /// The batch.
    pub packets: Packets,
    /// The batch's number, of the destination's.
    pub number: u64,
    /// The target that has failed already.
    pub but: Option<Chosen>,
}

/// Where a destination's batches leave the gateway.
#[derive(Debug)]
pub struct Outlet {
    /// Whose batches.
    pub destination: Arc<Destination>,
    /// The place of the destination in the list of all.
    pub lane: usize,
    /// From which sockets replies are sent.
    pub listeners: Arc<Vec<Listener>>,
    /// The region that batches come from.
    pub ingress: Arc<str>,
    /// Names this run of the gateway: no other has it.
    pub run: Arc<str>,
    /// Takes back the memory of batches that have left.
    pub returns: Sender<(usize, Packets)>,
}

impl Outlet {
    /// Delivers what comes, so many batches at a time, until nothing more comes and all are delivered.
    pub async fn run(self, mut jobs: mpsc::Receiver<Job>, at_once: usize) {
        let this = Arc::new(self);
        let permits = Arc::new(Semaphore::new(at_once));
        while let Some(job) = jobs.recv().await {
            // Nobody closes the semaphore.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let this = Arc::clone(&this);
            tokio::spawn(async move {
                this.deliver(&job).await;
                // Nobody takes it back once the gateway has stopped.
                let _ = this.returns.send((this.lane, job.packets));
                drop(permit);
            });
        }
        // All permits at once are there when all batches are done.
        let _ = permits.acquire_many(u32::try_from(at_once).unwrap_or(u32::MAX)).await;
    }

    async fn deliver(&self, job: &Job) {
        let (destination, packets) = (&self.destination, job.packets.len());
        let mut written = None;
        let mut but = job.but.clone();
        loop {
            let second = but.is_some();
            let Some(chosen) = destination.choose(Instant::now(), but.as_ref()) else {
                let tally = &destination.tally;
                return if second { tally.failed.add(packets as u64) } else { tally.no_target.add(packets as u64) };
            };
            destination.tally.retried.add(second.into());
            match self.attempt(job, &chosen, &mut written).await {
                Ok(replies) => {
                    destination.took(&chosen, packets, replies.len());
                    destination.tally.count(&replies.unusable());
                    return listener::reply(&self.listeners, &job.packets, &replies);
                }
                Err(TargetError::Garbled(error)) => {
                    tracing::debug!("{}: the answer of {} is of no use: {error}", destination.name, chosen.region);
                    destination.tally.unreadable_answer.add(1);
                    return destination.took(&chosen, packets, 0);
                }
                Err(error) => {
                    if !destination.failed(&chosen, &error, Instant::now()) || second {
                        return destination.tally.failed.add(packets as u64);
                    }
                    but = Some(chosen);
                }
            }
        }
    }

    /// The batch is written once, also where it is sent twice.
    async fn attempt(&self, job: &Job, chosen: &Chosen, written: &mut Option<Written>) -> Result<Replies, TargetError> {
        let mut replies = Replies::default();
        replies.start(job.packets.len());
        let target = match &chosen.sink {
            Sink::InProcess(handler) => {
                handler.handle(&job.packets, &mut replies)?;
                return Ok(replies);
            }
            Sink::Remote(target) => target,
        };
        let written = match written {
            Some(written) => written,
            None => written.insert(self.write(job)?),
        };
        let answer = self.send(&**target, written, job.number).await?;
        let answer = Answer::parse(&answer).map_err(|error| TargetError::Garbled(error.to_string()))?;
        let formatters = &written.formatters;
        replies.read(&answer, |index| formatters.get(index).copied().unwrap_or_default());
        Ok(replies)
    }

    async fn send(&self, target: &dyn Target, written: &Written, number: u64) -> Result<Vec<u8>, TargetError> {
        let time = self.destination.handling.timeout;
        let id = format!("{}-{}-{number}", self.run, self.destination.name).into();
        let delivery = Delivery { id, body: Arc::clone(&written.body), time };
        let late = |_| TargetError::Unknown(format!("it did not answer within {time:?}"));
        timeout(time + GRACE, target.deliver(&delivery)).await.map_err(late)?
    }

    fn write(&self, job: &Job) -> Result<Written, TargetError> {
        let mut formatters = Vec::with_capacity(job.packets.len());
        let messages = job.packets.iter().enumerate().filter_map(|(index, packet)| {
            let listener = self.listeners.get(usize::from(packet.listener))?;
            let (formatter, data) = self.destination.handling.formatter.write_or_base64(packet.data);
            formatters.push(formatter);
            Some(Message {
                tag: tag_of(index).into(),
                remote: Remote { ip_address: packet.remote.ip(), port: packet.remote.port() },
                local: Local { domain: (&*listener.domain).into(), port: listener.address.port() },
                received_at: packet.received_at,
                ingress_region: (&*self.ingress).into(),
                formatter,
                data: data.into(),
            })
        });
        let batch = Batch { messages: messages.collect() };
        let body = serde_json::to_vec(&batch).map_err(|error| TargetError::NotTaken(error.to_string()))?;
        Ok(Written { body: body.into(), formatters })
    }
}

/// A batch in the wire format.
struct Written {
    body: Arc<[u8]>,
    formatters: Vec<Formatter>,
}
