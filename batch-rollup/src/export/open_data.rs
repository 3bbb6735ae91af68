//! An export's entry in the registry of open data on AWS (<https://github.com/awslabs/open-data-registry>, `schema.yaml` there).

use chrono::NaiveDate;

use super::about;
use super::manifest::Manifest;
use super::origins::{LICENSE, LICENSE_URL};

/// Where the entry lies.
pub(crate) const FILE: &str = "aws-open-data.yaml";

/// Where an export is published, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The bucket, and the folder in it if it is not its root: `arn:aws:s3:::bucket/folder`.
    pub arn: String,
    /// The bucket's region.
    pub region: String,
    /// Who answers questions: an address.
    pub contact: String,
    /// Who keeps the data: a name, or a link in Markdown.
    pub managed_by: String,
    /// Address of the documentation.
    pub documentation: String,
    /// The day that the entry came into the registry.
    pub added: NaiveDate,
}

/// The entry, in YAML.
pub(crate) fn entry(manifest: &Manifest, publication: &Publication) -> String {
    let Publication { arn, region, contact, managed_by, documentation, added } = publication;
    let newest = manifest.files().filter_map(|file| file.last_ts.as_deref()).filter_map(|at| at.get(..10)).max();
    let added = added.to_string();
    let changed = newest.unwrap_or(&added).max(&added);
    let license = match manifest.license.as_str() {
        LICENSE => format!("[CC BY 4.0]({LICENSE_URL})"),
        _ => "By origin: see LICENSE.txt".to_owned(),
    };
    let formats = manifest.partitions.iter().any(|entry| entry.format != super::ExportFormat::Parquet);
    let csv = if formats { "  - csv\n" } else { "" };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "Name: Network latency between cloud regions\n\
         Description: {description}\n\
         Documentation: {}\n\
         Contact: {}\n\
         ManagedBy: {}\n\
         UpdateFrequency: Daily\n\
         Tags:\n  - aws-pds\n  - cloud computing\n{csv}  - internet\n  - network traffic\n  - parquet\n\
         License: {license}\n\
         RegistryEntryAdded: \"{added}\"\n\
         RegistryEntryLastModified: \"{changed}\"\n\
         Resources:\n  - Description: {resource}\n    ARN: {}\n    Region: {}\n    Type: S3 Bucket\n",
        quoted(documentation),
        quoted(contact),
        quoted(managed_by),
        quoted(arn),
        quoted(region),
        description = quoted(&format!(
            "{} Round-trip times and loss: every probe, and rollups by hour and day with exact percentiles and mergeable t-digests.",
            about::description(manifest),
        )),
        license = quoted(&license),
        resource = quoted("Parquet, partitioned by day and month; manifest.json lists the files with their SHA-256"),
    )
}
