//! A door before a real HTTP server that misbehaves when told to: answers that get lost, refusals, an outage, and requests of
//! which only a part is carried out.

mod put_records;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use put_records::Partial;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFault {
    /// The server carries it out; the connection ends without an answer.
    AnswerLost,
    /// The server carries it out; the connection stays open, and no answer comes until the client ends it.
    AnswerNever,
    /// The server never sees it; this is answered, as JSON.
    Answered {
        /// The status code.
        status: u16,
        /// The body.
        body: String,
    },
    /// For a PutRecords of Kinesis in JSON: the server gets the request without some of its records, and the client is told that these
    /// failed.
    RecordsRefused {
        /// Their places in the request; those beyond its end count for nothing.
        places: Vec<usize>,
        /// The error code of each.
        code: &'static str,
    },
}

#[derive(Debug, Default)]
struct Plan {
    /// Each for the next request whose head holds the word.
    faults: VecDeque<(&'static str, HttpFault)>,
    closed: bool,
    /// The first lines and headers of all requests that came through.
    heads: Vec<String>,
}

/// A door on a free port of this machine; shut for ever when dropped. Every request has a connection of its own.
#[derive(Debug)]
pub struct FaultyDoor {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

impl FaultyDoor {
    /// A door before the server at this address. It does nothing wrong until told to.
    ///
    /// # Panics
    /// When this machine has no free port.
    pub async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on this machine");
        let address = listener.local_addr().expect("a bound socket has an address");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = Arc::clone(&plan);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks is what its client has to live with.
                tokio::spawn(pass(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, plan, task }
    }

    /// Its address, such as `127.0.0.1:4568`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Plans a fault for a request whose head (first line and headers) holds the word; faults strike in the order given.
    pub fn plan(&self, word: &'static str, fault: HttpFault) {
        lock(&self.plan).faults.push_back((word, fault));
    }

    /// While it is closed, connections end at once and the server sees nothing.
    pub fn close(&self, closed: bool) {
        lock(&self.plan).closed = closed;
    }

    /// How many requests came whose head holds the word, those that met a fault included.
    #[must_use]
    pub fn seen(&self, word: &str) -> usize {
        lock(&self.plan).heads.iter().filter(|head| head.contains(word)).count()
    }
}

impl Drop for FaultyDoor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(plan: &Mutex<Plan>) -> std::sync::MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(mut client: TcpStream, server: String, plan: Arc<Mutex<Plan>>) -> io::Result<()> {
    let (head, body) = request(&mut client).await?;
    let fault = {
        let mut plan = lock(&plan);
        if plan.closed {
            return Ok(());
        }
        let struck = plan.faults.front().is_some_and(|(word, _)| head.contains(word));
        plan.heads.push(head.clone());
        if struck { plan.faults.pop_front().map(|(_, fault)| fault) } else { None }
    };
    match fault {
        Some(HttpFault::Answered { status, body }) => answer(&mut client, &format!("{status} Refused"), &body).await,
        Some(HttpFault::RecordsRefused { places, code }) => {
            let partial = Partial::of(&body, &places, code)?;
            let taken = match &partial.body {
                Some(rest) => Some(body_of(&ask(&server, &head, rest).await?)?.to_vec()),
                None => None,
            };
            answer(&mut client, "200 OK", &partial.answer(taken.as_deref())?).await
        }
        fault => {
            let whole = ask(&server, &head, &body).await?;
            match fault {
                Some(HttpFault::AnswerLost) => Ok(()),
                // It reads until the client has had enough.
                Some(HttpFault::AnswerNever) => client.read_to_end(&mut Vec::new()).await.map(drop),
                _ => client.write_all(&whole).await,
            }
        }
    }
}

async fn answer(client: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    client.write_all(format!("{head}{body}").as_bytes()).await
}

/// What the server answers, head and body.
async fn ask(server: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).await?;
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    // Both are said anew: the door has a connection for each request, and may pass on another body.
    let kept = headers.split("\r\n").filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "content-length"].iter().any(|said| name.eq_ignore_ascii_case(said))
    });
    let headers = kept.collect::<Vec<_>>().join("\r\n");
    let said = format!("connection: close\r\ncontent-length: {}", body.len());
    upstream.write_all(format!("{first}\r\n{said}\r\n{headers}").as_bytes()).await?;
    upstream.write_all(body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The body of an answer that says its length.
fn body_of(answer: &[u8]) -> io::Result<&[u8]> {
    let end = answer.windows(HEAD_END.len()).position(|window| window == HEAD_END);
    let (head, body) = answer.split_at(end.ok_or(io::ErrorKind::InvalidData)? + HEAD_END.len());
    match String::from_utf8_lossy(head).to_ascii_lowercase().contains("transfer-encoding") {
        true => Err(io::Error::new(io::ErrorKind::Unsupported, "an answer in chunks, expected one with a length")),
        false => Ok(body),
    }
}

/// The head, with the empty line that ends it, and the body.
async fn request(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
            break at + HEAD_END.len();
        }
        more(client, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|digits| digits.trim().parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end);
    while body.len() < length {
        more(client, &mut body).await?;
    }
    Ok((head, body))
}

async fn more(client: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    match client.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
