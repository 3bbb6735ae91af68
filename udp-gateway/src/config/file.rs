//! The file's rows, as they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub region: String,
    pub control: Option<String>,
    pub token_file: Option<PathBuf>,
    pub state_file: Option<PathBuf>,
    pub matrix: Option<Matrix>,
    #[serde(default)]
    pub senders: Senders,
    #[serde(default)]
    pub listener: Vec<Listener>,
    #[serde(default)]
    pub destination: Vec<Destination>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    pub url: String,
    #[serde(default = "refresh_seconds")]
    pub refresh_seconds: f64,
}

fn refresh_seconds() -> f64 {
    10.0
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Senders {
    pub table: usize,
    pub packets_per_second: Option<u64>,
    pub burst: Option<u64>,
}

impl Default for Senders {
    fn default() -> Self {
        Self { table: 65_536, packets_per_second: None, burst: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub port: u16,
    #[serde(default = "all_addresses")]
    pub bind: String,
    pub domain: String,
    #[serde(default = "udp")]
    pub protocols: Vec<String>,
    #[serde(default)]
    pub allowed: Vec<String>,
    pub destinations: Vec<String>,
    #[serde(default = "receive_buffer_mb")]
    pub receive_buffer_mb: f64,
}

fn all_addresses() -> String {
    "::".to_owned()
}

fn udp() -> Vec<String> {
    vec!["udp".to_owned()]
}

fn receive_buffer_mb() -> f64 {
    32.0
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    pub name: String,
    #[serde(default = "base64")]
    pub formatter: String,
    #[serde(default)]
    pub batching: Batching,
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: f64,
    #[serde(default = "yes")]
    pub retry_unknown: bool,
    #[serde(default)]
    pub breaker: Breaker,
    #[serde(default = "in_flight")]
    pub in_flight: u64,
    #[serde(default = "waiting_mb")]
    pub waiting_mb: f64,
    #[serde(default = "yes")]
    pub metrics: bool,
    pub target: Option<String>,
    #[serde(default)]
    pub targets: BTreeMap<String, String>,
}

fn base64() -> String {
    "base64".to_owned()
}

fn timeout_seconds() -> f64 {
    0.5
}

fn yes() -> bool {
    true
}

fn in_flight() -> u64 {
    64
}

fn waiting_mb() -> f64 {
    64.0
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batching {
    pub count: u64,
    pub timeout_seconds: f64,
    pub size_mb: f64,
}

impl Default for Batching {
    fn default() -> Self {
        Self { count: 100, timeout_seconds: 0.05, size_mb: 1.0 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    pub failures: u64,
    pub pause_seconds: f64,
    pub longest_pause_seconds: f64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 2, pause_seconds: 1.0, longest_pause_seconds: 30.0 }
    }
}
