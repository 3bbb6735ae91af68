//! The servers, and clients of them.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::types::StreamStatus;
use cloudping_testkit::servers::Server;

use crate::Failure;

/// A Kinesis server, ended when dropped.
pub enum Kinesis {
    /// kinesis-local: true to Kinesis, and slow.
    Local(Server),
    /// kinesalite: fast, so that the client weighs more beside it.
    Lite(Lite),
}

/// The process of kinesalite.
pub struct Lite {
    child: Child,
    port: u16,
}

impl Drop for Lite {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kinesis {
    /// Starts kinesis-local.
    ///
    /// # Errors
    /// When the environment does not say where it is.
    pub fn local() -> Result<Self, Failure> {
        Server::kinesis().map(Self::Local).ok_or_else(|| "expected CLOUDPING_TEST_KINESIS".into())
    }

    /// Starts kinesalite.
    ///
    /// # Errors
    /// When the environment does not say where it is, or it cannot be started.
    pub fn lite() -> Result<Self, Failure> {
        let folder = std::env::var_os("CLOUDPING_BENCH_KINESALITE").ok_or("expected CLOUDPING_BENCH_KINESALITE")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // Its own command line would listen to the whole network.
        let program =
            format!("require('./index.js')({{ createStreamMs: 20, shardLimit: 1000 }}).listen({port}, '127.0.0.1')");
        let mut node = Command::new("node");
        node.args(["-e", &program])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self::Lite(Lite { child: node.spawn()?, port }))
    }

    /// Its name in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local(_) => "kinesis-local",
            Self::Lite(_) => "kinesalite",
        }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        let address = match self {
            Self::Local(server) => server.address(),
            Self::Lite(lite) => format!("127.0.0.1:{}", lite.port),
        };
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .endpoint_url(format!("http://{address}"));
        Client::from_conf(config.build())
    }
}

/// Makes a stream; waits for a server that is not up yet.
///
/// # Errors
/// When there is none within a minute.
pub async fn stream(client: &Client, name: &str, shards: i32) -> Result<(), Failure> {
    for attempt in 1.. {
        match client.create_stream().stream_name(name).shard_count(shards).send().await {
            Ok(_) => break,
            Err(error) if attempt == 120 => return Err(error.into()),
            Err(_not_up_yet) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
    loop {
        let summary = client.describe_stream_summary().stream_name(name).send().await?;
        let status = summary.stream_description_summary().map(|summary| summary.stream_status().clone());
        if status == Some(StreamStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
