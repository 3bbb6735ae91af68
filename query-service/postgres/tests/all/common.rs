//! A door on a free port of this machine, and a client that sends what it is told to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_postgres_door::{Door, Settings, serve};
use cloudping_query_service::{Admission, Doorkeeper, Everyone, Service, SqlLimits};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_testkit::MemoryStore;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// 2026-01-02T12:30:20Z.
pub fn now() -> UtcMicros {
    UtcMicros(1_767_357_020_000_000)
}

pub struct Place {
    pub address: SocketAddr,
    pub service: Service,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    _folder: TempDir,
}

impl Place {
    pub async fn new() -> Self {
        Self::with(|_, _| {}, Everyone).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Settings, &mut SqlLimits), keeper: impl Doorkeeper) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::built_in().unwrap();
        catalogue.retain(|region| region.provider == "aws" && region.endpoint.is_some());
        let url = format!("file://{}/tables/", folder.path().display());
        let mut of_service = cloudping_query_service::Settings::new(true, catalogue, Vec::new(), url);
        let mut settings = Settings::default();
        adjust(&mut settings, &mut of_service.sql);
        let service = Service::new(of_service, Arc::new(MemoryStore::default()), now).unwrap();
        let door = Door::new(service.clone(), Arc::new(keeper), settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, door, async move {
            let _ = stopped.await;
        }));
        Self { address, service, stop: Some(stop), served, _folder: folder }
    }

    pub async fn client(&self) -> Client {
        let mut client = Client::open(self.address).await;
        client.start("tester").await.unwrap();
        client
    }

    /// Ends the door; how it does so is awaited.
    pub async fn close(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), &mut self.served).await.expect("in time").unwrap();
    }
}

/// Lets in whoever shows this key, and nobody without.
pub struct OneKey(pub &'static str);

impl Doorkeeper for OneKey {
    fn admit<'a>(
        &'a self,
        presented: Option<&'a str>,
        _: IpAddr,
    ) -> futures::future::BoxFuture<'a, Result<Admission, String>> {
        let answer = match presented {
            Some(key) if key == self.0 => Ok(Admission::default()),
            Some(_) => Err("this key is not known".to_owned()),
            None => Err("a key is needed".to_owned()),
        };
        Box::pin(async { answer })
    }
}

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub code: String,
    pub message: String,
}

pub type Rows = Vec<Vec<Option<String>>>;

pub struct Client {
    pub socket: TcpStream,
    /// What the server gave for cancel requests.
    pub secret: Vec<u8>,
    /// The status of the last ReadyForQuery.
    pub status: u8,
}

impl Client {
    pub async fn open(address: SocketAddr) -> Self {
        Self { socket: TcpStream::connect(address).await.unwrap(), secret: Vec::new(), status: 0 }
    }

    pub async fn start(&mut self, user: &str) -> Result<(), Refused> {
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        body.extend(format!("user\0{user}\0database\0cloudping\0\0").into_bytes());
        self.raw(&framed(None, &body)).await;
        self.ready().await.map(|_| ())
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    pub async fn send(&mut self, kind: u8, body: &[u8]) {
        self.raw(&framed(Some(kind), body)).await;
    }

    /// The next message; `None` where the connection has ended.
    pub async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let kind = self.socket.read_u8().await.ok()?;
            let length = self.socket.read_i32().await.ok()?;
            let mut body = vec![0; usize::try_from(length - 4).unwrap()];
            self.socket.read_exact(&mut body).await.ok()?;
            Some((kind, body))
        };
        tokio::time::timeout(Duration::from_secs(60), read).await.expect("an answer")
    }

    /// All rows up to the next ReadyForQuery, or the first error; what a password is asked with counts as one.
    pub async fn ready(&mut self) -> Result<Rows, Refused> {
        let (mut rows, mut refused) = (Rows::new(), None);
        while let Some((kind, body)) = self.read().await {
            match kind {
                b'D' => rows.push(row(&body)),
                b'E' => {
                    let error = error(&body);
                    refused.get_or_insert(error);
                }
                b'K' => self.secret = body,
                b'R' if body != [0, 0, 0, 0] => {
                    return Err(Refused { code: "password".to_owned(), message: String::new() });
                }
                b'Z' => {
                    self.status = body[0];
                    return refused.map_or(Ok(rows), Err);
                }
                _ => {}
            }
        }
        Err(refused.unwrap_or(Refused { code: "closed".to_owned(), message: String::new() }))
    }

    pub async fn query(&mut self, text: &str) -> Result<Rows, Refused> {
        self.send(b'Q', &text_of(text)).await;
        self.ready().await
    }

    /// The one value of an answer.
    #[track_caller]
    pub fn one(rows: Result<Rows, Refused>) -> String {
        let rows = rows.unwrap();
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{rows:?}");
        rows[0][0].clone().unwrap()
    }
}

pub fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap().to_be_bytes();
    kind.into_iter().chain(length).chain(body.iter().copied()).collect()
}

pub fn text_of(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}

fn row(body: &[u8]) -> Vec<Option<String>> {
    let mut rest = &body[2..];
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken.to_vec()
    };
    let count = u16::from_be_bytes(body[..2].try_into().unwrap());
    let mut value = || {
        let length = i32::from_be_bytes(take(4).try_into().unwrap());
        usize::try_from(length).ok().map(|length| String::from_utf8_lossy(&take(length)).into_owned())
    };
    (0..count).map(|_| value()).collect()
}

fn error(body: &[u8]) -> Refused {
    let field = |kind: u8| {
        let fields = body.split(|byte| *byte == 0);
        let found = fields.filter(|field| field.first() == Some(&kind)).map(|field| &field[1..]).next();
        String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
    };
    Refused { code: field(b'C'), message: field(b'M') }
}
