//! The task that sends a stream's records: it carries out what the [`Queue`] decides.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use crate::kinesis_error::{AppendError, Cause, of_request};
use crate::kinesis_queue::{Answer, Limits, Next, Queue, Sent, check};

/// How long Kinesis may take to answer a PutRecords, the client's own tries included.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

type Caller = oneshot::Sender<Result<(), AppendError>>;

struct Append {
    key: String,
    data: Bytes,
    caller: Caller,
}

/// The way into a stream. Its task starts with the first record, and ends when this is dropped and what was queued has been tried.
#[derive(Debug)]
pub(crate) struct Writer {
    client: Client,
    stream: String,
    limits: Limits,
    task: Mutex<Option<UnboundedSender<Append>>>,
}

impl Writer {
    pub(crate) fn new(client: Client, stream: String, limits: Limits) -> Self {
        Self { client, stream, limits, task: Mutex::new(None) }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns when the record is in the stream.
    ///
    /// # Errors
    /// Every [`AppendError`].
    pub(crate) async fn append(&self, key: &str, data: Bytes) -> Result<(), AppendError> {
        check(key, &data)?;
        let (caller, told) = oneshot::channel();
        self.hand_over(Append { key: key.to_owned(), data, caller });
        told.await.unwrap_or(Err(AppendError::Ended))
    }

    fn hand_over(&self, append: Append) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match task.as_ref() {
            Some(running) => running.send(append).err().map(|refused| refused.0),
            None => Some(append),
        };
        // There is no task yet, or the runtime that it ran in has ended.
        if let Some(append) = refused {
            let (sender, appends) = mpsc::unbounded_channel();
            // It cannot fail: the receiver is in this very function.
            let _ = sender.send(append);
            tokio::spawn(run(self.client.clone(), self.stream.clone(), self.limits, appends));
            *task = Some(sender);
        }
    }
}

async fn run(client: Client, stream: String, limits: Limits, mut appends: UnboundedReceiver<Append>) {
    let start = Instant::now();
    let mut queue = Queue::new(limits);
    let mut requests = FuturesUnordered::new();
    let mut open = true;
    while open || !queue.is_empty() {
        while let Ok(append) = appends.try_recv() {
            queue.push(&append.key, append.data, append.caller, start.elapsed());
        }
        let until = match queue.next(start.elapsed()) {
            Next::Send(records) => {
                requests.push(send(client.clone(), stream.clone(), records));
                continue;
            }
            Next::Wait(until) => until.map(|after| start + after),
        };
        tokio::select! {
            append = appends.recv(), if open => match append {
                Some(append) => queue.push(&append.key, append.data, append.caller, start.elapsed()),
                None => open = false,
            },
            Some((keys, answer)) = requests.next() => {
                let settled = queue.answered(keys, answer, start.elapsed(), fastrand::f64(), Caller::is_closed);
                for (caller, result) in settled {
                    // Whoever no longer waits does not want to know.
                    let _ = caller.send(result);
                }
                // Those who append again at once get their turn first, so that their records travel together.
                yield_now().await;
            }
            () = sleep_until(until.unwrap_or(start)), if until.is_some() => {}
        }
    }
}

/// Sends one request; yields its partition keys beside the answer.
async fn send(client: Client, stream: String, records: Vec<Sent>) -> (Vec<Arc<str>>, Answer) {
    let entry = |sent: &Sent| {
        let entry = PutRecordsRequestEntry::builder().partition_key(&*sent.key).data(Blob::new(sent.data.clone()));
        entry.build().expect("only the data is required, and was given")
    };
    let entries = records.iter().map(entry).collect();
    let keys = records.into_iter().map(|sent| sent.key).collect();
    let request = client.put_records().stream_name(stream).set_records(Some(entries)).send();
    let answer = match timeout(ANSWER_LIMIT, request).await {
        Ok(Ok(answer)) => Answer::Records(answer.records.into_iter().map(why_not).collect()),
        Ok(Err(error)) => {
            let (passes, cause) = of_request(error);
            Answer::Failed { passes, cause }
        }
        Err(_elapsed) => {
            Answer::Failed { passes: true, cause: Cause::new(format!("no answer within {ANSWER_LIMIT:?}")) }
        }
    };
    (keys, answer)
}

/// Why a record was not taken, if it was not.
fn why_not(result: PutRecordsResultEntry) -> Option<Cause> {
    match (result.error_code, result.error_message) {
        (None, _) if result.sequence_number.is_some() => None,
        (None, _) => Some(Cause::new("PutRecords gave the record neither a sequence number nor an error")),
        (Some(code), Some(message)) => Some(Cause::new(format!("{code}: {message}"))),
        (Some(code), None) => Some(Cause::new(code)),
    }
}
