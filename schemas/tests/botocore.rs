//! The catalogue against botocore, the AWS SDK's own list of regions: a region that AWS opens must not go unnoticed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cloudping_schemas::catalogue::{Catalogue, Status};

/// One line a region: partition, region, and the host of its DynamoDB endpoint or nothing where it has none.
const SCRIPT: &str = r#"
import botocore.session
session = botocore.session.get_session()
resolver = session.get_component("endpoint_resolver")
for partition in session.get_component("data_loader").load_data("partitions")["partitions"]:
    name = partition["id"]
    served = set(session.get_available_regions("dynamodb", name))
    for region in sorted(served | {region for region in partition["regions"] if not region.endswith("-global")}):
        host = resolver.construct_endpoint("dynamodb", region)["hostname"] if region in served else ""
        print(name, region, host, sep="\t")
"#;

struct Known {
    partition: String,
    host: String,
}

/// What the installed botocore knows, by region; `None` where no Python with botocore is given.
fn botocore() -> Option<BTreeMap<String, Known>> {
    let Some(python) = std::env::var_os("CLOUDPING_TEST_PYTHON") else {
        eprintln!("SKIPPED: botocore was not asked. Set CLOUDPING_TEST_PYTHON to a python with the package botocore.");
        return None;
    };
    let output = Command::new(python).args(["-c", SCRIPT]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let regions: BTreeMap<_, _> = text.lines().map(parsed).collect();
    assert!(regions.len() > 40, "botocore lists {} regions only: {text}", regions.len());
    Some(regions)
}

fn parsed(line: &str) -> (String, Known) {
    let [partition, region, host] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
    (region.to_owned(), Known { partition: partition.to_owned(), host: host.to_owned() })
}

#[test]
fn the_catalogue_has_every_region_of_botocore_and_no_other() {
    let Some(known) = botocore() else {
        return;
    };
    let mut catalogue = Catalogue::built_in().unwrap();
    catalogue.keep_providers(&["aws"]).unwrap();
    let ours: BTreeSet<&str> = catalogue.regions().iter().map(|region| region.id.as_str()).collect();
    let theirs: BTreeSet<&str> = known.keys().map(String::as_str).collect();
    let missing: Vec<_> = theirs.difference(&ours).collect();
    assert!(missing.is_empty(), "schemas/regions/aws.toml lacks {missing:?}");
    let gone: Vec<_> = ours.difference(&theirs).collect();
    assert!(gone.is_empty(), "botocore does not know {gone:?} of schemas/regions/aws.toml");
    for region in catalogue.regions() {
        let Known { partition, host } = &known[&region.id];
        assert_eq!(&region.partition, partition, "{}", region.id);
        match region.status {
            Status::Available => assert_eq!(region.endpoint, Some(format!("{host}:443")), "{}", region.id),
            Status::Announced => assert_eq!(host, "", "{} has opened", region.id),
            Status::Isolated => assert!(!host.contains("amazonaws"), "{} is on the internet: {host}", region.id),
        }
    }
}
