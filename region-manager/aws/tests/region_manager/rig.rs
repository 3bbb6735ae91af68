//! An account with 39 regions on a local server.

use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use cloudping_region_manager::{Code, Fleet, Mode, Outcome, Report, Settings};
use cloudping_region_manager_aws::{AwsCloud, account_client};
use cloudping_schemas::catalogue::{Catalogue, Status};
use cloudping_testkit::FaultyDoor;
use cloudping_testkit::servers::Server;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::account::{self, Statuses};

pub const FUNCTION: &str = "cloudping-producer";
pub const ACCOUNT: &str = "000000000000";
pub const SETTINGS: &str = r#"{"name": "cloudping", "account": "000000000000", "homeRegion": "us-east-1",
    "architecture": "x86_64", "producers": {"intervalSeconds": 60, "timeoutMs": 2000},
    "regionManager": {"enable": ["af-south-1"], "leaveOut": ["us-west-1"]}}"#;
/// All of the account's regions.
pub const REGIONS: usize = 39;

pub struct Rig {
    pub statuses: Statuses,
    pub account: SocketAddr,
    /// Everything but the account's service is behind it.
    pub door: FaultyDoor,
    _server: Server,
}

impl Rig {
    /// `None` where the server is not installed.
    pub async fn start() -> Option<Self> {
        let server = Server::functions()?;
        let statuses: Statuses = Arc::new(Mutex::new(statuses()));
        let account = account::serve(Arc::clone(&statuses)).await;
        let door = FaultyDoor::before(server.address()).await;
        let rig = Self { statuses, account, door, _server: server };
        for _ in 0..120 {
            if rig.lambda("us-east-1").list_functions().send().await.is_ok() {
                return Some(rig);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("no answer in 60 s");
    }

    pub fn set_status(&self, id: &str, status: &'static str) {
        self.statuses.lock().unwrap().insert(id.to_owned(), status);
    }

    pub fn config(&self, region: &str) -> SdkConfig {
        config(&self.door.address(), region)
    }

    pub fn lambda(&self, region: &str) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config(region))
    }

    pub async fn run(&self, mode: Mode, code: &Code, dry: bool) -> Report {
        let settings = Settings::parse(SETTINGS).unwrap();
        let account = account_client(&config(&self.account.to_string(), "us-east-1"));
        let cloud = AwsCloud::new(account, &self.config("us-east-1"), settings.clone(), Some(code.clone()));
        let fleet = Fleet::new(&cloud, settings, Some(code.clone()), Catalogue::built_in().unwrap()).dry(dry);
        fleet.run(mode, |_| {}).await.unwrap()
    }
}

/// The commercial regions of the catalogue, and new ones that it does not know: of those that must be enabled all but three are.
fn statuses() -> std::collections::BTreeMap<String, &'static str> {
    let catalogue = Catalogue::built_in().unwrap();
    let known = catalogue.regions().iter();
    let known = known.filter(|region| region.partition == "aws" && region.status == Status::Available);
    let mut statuses: std::collections::BTreeMap<_, _> = known
        .map(|region| {
            let off = ["af-south-1", "me-south-1", "il-central-1"].contains(&region.id.as_str());
            (
                region.id.clone(),
                if off {
                    "DISABLED"
                } else if region.opt_in {
                    "ENABLED"
                } else {
                    "ENABLED_BY_DEFAULT"
                },
            )
        })
        .collect();
    let new = (1..).map(|nth| (format!("xx-new-{nth}"), "ENABLED_BY_DEFAULT"));
    statuses.extend(new.take(REGIONS - statuses.len()));
    statuses
}

pub fn config(address: &str, region: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCOUNT, "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .build()
}

/// A package whose program is these bytes.
pub fn package(program: &[u8]) -> Code {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(program).unwrap();
    Code::new(zip.finish().unwrap().into_inner()).unwrap()
}

/// Regions by what became of them, and the steps in one of them.
pub fn steps<'a>(report: &'a Report, id: &str) -> (Outcome, Vec<&'a str>) {
    let region = report.regions.iter().find(|region| region.region == id).unwrap();
    (region.outcome, region.steps.iter().map(String::as_str).collect())
}
