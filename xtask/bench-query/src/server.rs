//! The service in a process of its own: this very program, started again.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloudping_environment::now;
use cloudping_query_service::{Service, Settings, serve as serve_doors};
use tokio::net::TcpListener;

use crate::Result;
use crate::tables::address;
use crate::world::{World, ids, regions};

/// Says to the program that it is the server, and over which folder.
const VARIABLE: &str = "CLOUDPING_BENCH_SERVE";
/// Says to the server how many regions there are.
const REGIONS_VARIABLE: &str = "CLOUDPING_BENCH_REGIONS";
/// Rows of one streamed answer.
const ROWS: usize = 10_000_000;

/// The service's process; it ends with this.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It keeps nothing that could be lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts it with so many regions over a folder that has the tables.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(folder: &Path, regions: usize) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(VARIABLE, folder).env(REGIONS_VARIABLE, regions.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("the server said {line:?}, expected its address"))?;
        Ok(Self { child, address })
    }

    /// The memory that it has in use, in bytes.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

/// The folder, where this process is to serve.
#[must_use]
pub fn asked() -> Option<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from)
}

/// Serves until it is killed: the doors on a free port, and the live store changing beside.
///
/// # Errors
/// When the service cannot be made.
pub fn serve(folder: &Path) -> Result<()> {
    open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let count = env::var(REGIONS_VARIABLE)?.parse()?;
        let mut world = World::new(&ids(count)?, now()).await?;
        let mut settings = Settings::new(true, regions(count)?, Vec::new(), address(folder)?);
        settings.live.streams = 10_000;
        settings.sql.stream_rows = ROWS;
        settings.sql.stream_bytes = usize::MAX;
        let service = Service::new(settings, world.store.clone(), now)?;
        service.refresh(now()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let writing = service.clone();
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(world.pace());
            loop {
                pace.tick().await;
                let at = now();
                let written = world.step(at).await;
                if let Err(error) = written {
                    eprintln!("the live store: {error}");
                }
                if let Err(error) = writing.refresh(at).await {
                    eprintln!("the live view: {error}");
                }
            }
        });
        Ok(serve_doors(listener, service, std::future::pending()).await?)
    })
}

/// Raises the number of files that may be open as far as it goes: a thousand followers have a socket each.
pub fn open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer, and then holds what the kernel itself said.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// How long a server may take to be itself again after a part of the bench.
pub const REST: Duration = Duration::from_secs(1);
