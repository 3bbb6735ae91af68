//! `cloudping rollup export`.

use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_batch_rollup::Table;
use cloudping_batch_rollup::export::{Destination, ExportFormat, ExportOptions, ExportReport, Exporter, Publication};
use cloudping_schemas::tables::Origin;

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};

/// Arguments of `rollup export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup export /srv/latency
  cloudping rollup export /srv/latency --only rollup_1h,rollup_1d --from 2026-03-01 --format parquet,csv
  cloudping rollup export /srv/everything --origins measured,ripe-atlas,csv
  cloudping rollup export s3://my-bucket/latency --tables s3://my-cloudping/tables --dry-run

Run again it goes on: what is there is kept, what is new is added, and a day to which samples came later
gets a new revision, which manifest.json tells. A day that has ended waits until a later one has begun in the archive
and the rollups have followed. The same rows are the same bytes, always.

The exit code is 0 when all of it is there, 1 when something failed, 2 when the command line is wrong.")]
pub struct ExportArgs {
    /// Where to: a folder, or s3://BUCKET/FOLDER (in a cloudping built with --features aws)
    #[arg(value_name = "DIR|URL")]
    destination: String,
    /// Only these tables: samples, rollup_1h, rollup_1d, changes, regions
    #[arg(long, value_parser = table, value_delimiter = ',', value_name = "NAME,NAME,…")]
    only: Vec<Table>,
    /// Of samples and rollups only the rows that come from these: measured, simulated, cloudping.co,
    /// cloudping.co/average, ripe-atlas, csv. For imported rows their own terms hold
    #[arg(long, value_delimiter = ',', default_value = "measured,simulated", value_name = "NAME,NAME,…")]
    origins: Vec<Origin>,
    /// In which formats
    #[arg(long, value_enum, value_delimiter = ',', default_value = "parquet", value_name = "NAME,NAME")]
    format: Vec<FileFormat>,
    /// From this day on (UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// Up to and with this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<NaiveDate>,
    /// A day or a month is exported so long after its end
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1h", value_name = "TIME")]
    lateness: Duration,
    /// A file that has so many rows is followed by another one
    #[arg(long, default_value_t = ExportOptions::default().rows_per_file, value_parser = clap::value_parser!(u64).range(1..))]
    rows_per_file: u64,
    /// Do not wait for the archive and the rollups: export what has ended as it is, for one that measures no more
    #[arg(long)]
    no_wait: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// An entry for the registry of open data on AWS, written as `aws-open-data.yaml` if the bucket is given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry of open data on AWS")]
struct RegistryArgs {
    /// The bucket that the export is published in, with its folder: arn:aws:s3:::BUCKET/FOLDER
    #[arg(long, requires_all = ["publish_region", "publish_contact", "publish_by", "publish_docs", "publish_since"])]
    publish_arn: Option<String>,
    /// The bucket's region
    #[arg(long, requires = "publish_arn", value_name = "REGION")]
    publish_region: Option<String>,
    /// Who answers questions
    #[arg(long, requires = "publish_arn", value_name = "ADDRESS")]
    publish_contact: Option<String>,
    /// Who keeps the data
    #[arg(long, requires = "publish_arn", value_name = "NAME")]
    publish_by: Option<String>,
    /// Where it is documented
    #[arg(long, requires = "publish_arn", value_name = "URL")]
    publish_docs: Option<String>,
    /// Since when it is in the registry
    #[arg(long, requires = "publish_arn", value_name = "YYYY-MM-DD")]
    publish_since: Option<NaiveDate>,
}

impl RegistryArgs {
    /// What is published, if that was said: then clap has asked for all of it.
    fn publication(&self) -> Option<Publication> {
        Some(Publication {
            arn: self.publish_arn.clone()?,
            region: self.publish_region.clone()?,
            contact: self.publish_contact.clone()?,
            managed_by: self.publish_by.clone()?,
            documentation: self.publish_docs.clone()?,
            added: self.publish_since?,
        })
    }
}

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// Parquet, as the archive's own files
    Parquet,
    /// CSV with a header, gzipped, in the folder `csv`
    Csv,
}

/// Exports what is closed, and says what that was.
pub fn run(args: ExportArgs) -> Result<(), Failure> {
    let options = options(&args);
    let report = to_the_end(async {
        let tables = args.place.existing().await?;
        let exporter = Exporter::new(tables, destination(&args.destination, args.dry_run).await?);
        let done = exporter.run_once(clock::now(), &options, progress::shown().as_ref()).await;
        done.map_err(Failure::runtime)
    })?;
    if report.waiting > 0 {
        eprintln!("{}", waiting(report.waiting));
    }
    args.output.counts(&counts(&report), Some(args.dry_run))
}

fn waiting(partitions: u64) -> String {
    format!(
        "{partitions} partitions have ended and are waiting: nothing later than them is archived yet, or their rollup does not follow the \
         samples; `cloudping rollup run` computes what is due, and --no-wait exports them as they are"
    )
}

fn options(args: &ExportArgs) -> ExportOptions {
    let format = |format: &FileFormat| match format {
        FileFormat::Parquet => ExportFormat::Parquet,
        FileFormat::Csv => ExportFormat::CsvGz,
    };
    ExportOptions {
        tables: if args.only.is_empty() { Table::ALL.to_vec() } else { args.only.clone() },
        origins: args.origins.iter().copied().collect(),
        formats: args.format.iter().map(format).collect(),
        from: args.from,
        to: args.to,
        lateness_us: i64::try_from(args.lateness.as_micros()).unwrap_or(i64::MAX),
        rows_per_file: args.rows_per_file,
        publication: args.registry.publication(),
        no_wait: args.no_wait,
        dry_run: args.dry_run,
    }
}

/// A table by its name.
pub fn table(name: &str) -> Result<Table, String> {
    let names = || Table::ALL.map(Table::name).join(", ");
    Table::ALL.into_iter().find(|table| table.name() == name).ok_or_else(|| format!("expected one of {}", names()))
}

/// Where the export goes.
async fn destination(text: &str, dry_run: bool) -> Result<Destination, Failure> {
    let unknown = || Failure::setting(format!("{text}: expected a folder or s3://BUCKET/FOLDER"));
    match text.split_once("://") {
        None if text.is_empty() => Err(unknown()),
        // Looking must not make a folder.
        None if dry_run && !Path::new(text).is_dir() => Ok(Destination::nowhere(text)),
        None => Destination::in_directory(Path::new(text)).map_err(Failure::setting),
        Some(("s3", rest)) => match rest.split_once('/').unwrap_or((rest, "")) {
            ("", _) => Err(unknown()),
            (bucket, folder) => on_s3(text, bucket, folder).await,
        },
        Some(_) => Err(unknown()),
    }
}

#[cfg(feature = "aws")]
async fn on_s3(url: &str, bucket: &str, folder: &str) -> Result<Destination, Failure> {
    let clients = crate::aws::Clients::from_settings().await;
    let storage = cloudping_backend_aws::s3_objects(&clients.config, bucket).await;
    let storage = storage.map_err(|error| Failure::setting(format!("{url}: {error}")))?;
    Ok(Destination::in_storage(storage, folder, url.trim_end_matches('/')))
}

#[cfg(not(feature = "aws"))]
async fn on_s3(_: &str, _: &str, _: &str) -> Result<Destination, Failure> {
    Err(crate::failure::built_without_aws())
}

/// The report's counts by their names.
fn counts(report: &ExportReport) -> [(&'static str, u64); 8] {
    let ExportReport { written, kept, revised, not_closed, waiting, files, rows, bytes } = *report;
    [
        ("partitions_written", written),
        ("partitions_kept", kept),
        ("partitions_revised", revised),
        ("partitions_not_closed", not_closed),
        ("partitions_waiting", waiting),
        ("files", files),
        ("rows", rows),
        ("bytes", bytes),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ExportArgs,
    }

    fn read(line: &str) -> Result<ExportArgs, String> {
        let words = ["export"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_becomes_options() {
        let plain = options(&read("out").unwrap());
        assert_eq!(plain, ExportOptions::default());
        let line = "out --only samples,changes --origins measured,ripe-atlas --format csv,parquet --from 2026-03-01 --to 2026-03-02 --lateness 2h --no-wait --dry-run";
        let chosen = options(&read(line).unwrap());
        let expected = ExportOptions {
            tables: vec![Table::Samples, Table::Changes],
            origins: [Origin::Measured, Origin::RipeAtlas].into(),
            formats: vec![ExportFormat::CsvGz, ExportFormat::Parquet],
            from: "2026-03-01".parse().ok(),
            to: "2026-03-02".parse().ok(),
            lateness_us: 7_200_000_000,
            dry_run: true,
            no_wait: true,
            ..ExportOptions::default()
        };
        assert_eq!(chosen, expected);
        assert!(read("out --only rounds").unwrap_err().contains("samples, rollup_1h, rollup_1d, changes, regions"));
        assert!(read("out --origins hearsay").unwrap_err().contains("expected measured, simulated"));
        assert!(read("out --from yesterday").is_err());
    }

    #[test]
    fn a_publication_is_said_whole_or_not_at_all() {
        assert!(read("out --publish-arn arn:aws:s3:::b").unwrap_err().contains("--publish-region"));
        let line = "out --publish-arn arn:aws:s3:::b/f --publish-region eu-west-1 --publish-contact a@example.com \
                    --publish-by Example --publish-docs https://example.com --publish-since 2026-03-01";
        let publication = options(&read(line).unwrap()).publication.unwrap();
        assert_eq!((publication.arn.as_str(), publication.region.as_str()), ("arn:aws:s3:::b/f", "eu-west-1"));
    }

    #[tokio::test]
    async fn a_destination_is_a_folder_or_a_bucket_and_looking_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        let shown = made.to_str().unwrap();
        assert_eq!(destination(shown, true).await.unwrap().shown(), shown);
        assert!(!made.exists());
        destination(shown, false).await.unwrap();
        assert!(made.is_dir());
        for unknown in ["", "gs://bucket/x", "s3://", "s3:///x"] {
            let refused = destination(unknown, false).await.unwrap_err().to_string();
            assert!(refused.contains("expected a folder or s3://BUCKET/FOLDER"), "{refused}");
        }
    }
}
