//! nginx as the measure: two workers that serve a file.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

const STARTED_WITHIN: Duration = Duration::from_secs(10);

/// A running nginx; it ends with this.
pub struct Nginx {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SAFETY: the process is our child and not reaped yet, so the number is its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let _ = self.child.wait();
    }
}

impl Nginx {
    /// Starts one that serves the folder's files as JSON that is compressed by gzip.
    ///
    /// # Errors
    /// When there is no nginx, or it does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join("nginx.conf");
        fs::write(&config, text(folder, address))?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg(folder.join("error.log")).arg("-p").arg(folder).arg("-c").arg(&config);
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("nginx: {error} (cargo xtask bench installs it)"))?;
        let nginx = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > STARTED_WITHIN {
                let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                return Err(format!("nginx does not answer: {log}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

/// As fast as it goes: nothing logged, files open, connections for ever.
fn text(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    // SAFETY: the call cannot fail and has no preconditions.
    let user = if unsafe { libc::geteuid() } == 0 { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 600;
    keepalive_requests 1000000000;
    open_file_cache max=100 inactive=600s;
    default_type application/json;
    types {{ }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog=4096;
        root {folder}/files;
        add_header Content-Encoding gzip;
    }}
}}
"
    )
}
