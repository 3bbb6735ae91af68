//! `cloudping rollup import`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_batch_rollup::import::{Format, Import, ImportError, ImportOptions, ImportReport, Input, Mapping};
use cloudping_model::UtcMicros;
use cloudping_schemas::catalogue::Catalogue;

use super::place::PlaceArgs;
use super::report::OutputArgs;
use super::{progress, to_the_end};

/// Arguments of `rollup import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup import export/*.json.gz                     CloudPing.co's PingTest, as DynamoDB exports it to S3
  aws dynamodb scan --table-name cloudping_stored_avgs | cloudping rollup import --at 2026-03-01T00:00:00Z -
  cloudping rollup import --format atlas --map names.toml RIPE-Atlas-measurement-1001.json
  cloudping rollup import --dry-run own.csv.gz

CSV has a first line that names its columns: ts (RFC 3339, or a number since 1970), source, target, rtt_us or
rtt_ms (empty without an answer), and any of outcome, protocol, family, address. --map is TOML:

  [probes]
  6012 = \"eu-west-1\"                   # else atlas-6012
  [targets]
  \"shop.example\" = \"shop\"              # else the catalogue's region of that host, else the host

Each row carries its origin: cloudping.co, cloudping.co/average (in no rollup), ripe-atlas or csv. The same row takes
effect once, however often and in whatever file it comes; rows that are equal in every column, also in those that are
not named here, are one. Bad rows, also those of a time later than a day from now, are counted, the first 20 named,
and the rest goes on. Files sorted by time import quickest. Rollups follow at the next
`cloudping rollup run`; the live view never shows imports.")]
pub struct ImportArgs {
    /// Files to import, compressed by gzip or not; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What they are [default: told by their content]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// When stored averages were made: their rows do not say
    #[arg(long, value_parser = moment, value_name = "TIME")]
    at: Option<UtcMicros>,
    /// TOML file: what RIPE Atlas' probes and the hosts that they ping are called here
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Read the files and look up what is there already, but write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a file is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    /// CloudPing.co's PingTest or cloudping_stored_avgs, as JSON of DynamoDB
    Cloudping,
    /// Ping results of RIPE Atlas
    Atlas,
    /// A table with a header
    Csv,
}

/// Imports the files and says what became of their rows.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let tables = args.place.tables()?;
    let options = options(args)?;
    // Before anything is imported: a name that is wrong is said at once.
    let inputs = args.files.iter().map(|file| open(file)).collect::<Result<Vec<_>, _>>()?;
    let report = to_the_end(async {
        let progress = progress::shown();
        Import::new(tables, options).run(inputs, progress.as_ref()).await.map_err(failure)
    })?;
    print(args, &report)
}

fn options(args: &ImportArgs) -> Result<ImportOptions, Failure> {
    let catalogue = Catalogue::built_in().map_err(Failure::runtime)?;
    let mut mapping = Mapping::of_catalogue(&catalogue);
    if let Some(path) = &args.map {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        mapping.add(&text).map_err(|error| Failure::setting(format!("--map {}: {error}", path.display())))?;
    }
    let format = args.format.map(|name| match name {
        FormatName::Cloudping => Format::CloudPing,
        FormatName::Atlas => Format::Atlas,
        FormatName::Csv => Format::Csv,
    });
    let (at, now) = (args.at, Some(clock::now()));
    if at > now {
        return Err(Failure::setting("--at lies in the future: averages were made before they are imported"));
    }
    Ok(ImportOptions { format, at, now, mapping, dry_run: args.dry_run, ..ImportOptions::default() })
}

fn open(path: &Path) -> Result<Input, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Input { name: "standard input".to_owned(), bytes: Box::new(io::stdin()), length: 0 });
    }
    // Opened here to say at once what cannot be read, and once more when its turn comes: there may be thousands.
    let file = File::open(path).and_then(|file| file.metadata()).map_err(|error| unreadable(path, &error))?;
    let bytes = InTurn { path: path.to_owned(), file: None };
    Ok(Input { name: path.display().to_string(), bytes: Box::new(bytes), length: file.len() })
}

/// A file that is opened when it is first read.
struct InTurn {
    path: PathBuf,
    file: Option<File>,
}

impl Read for InTurn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.read(buffer),
            None => self.file.insert(File::open(&self.path)?).read(buffer),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::setting(format!("{}: {error}", path.display()))
}

fn failure(error: ImportError) -> Failure {
    let rest = "what was committed before stays, and the same command again does the rest";
    match error {
        ImportError::Format { .. } => Failure::setting(format!("{error} with --format; {rest}")),
        ImportError::Header { .. } => Failure::setting(format!("{error}; {rest}")),
        ImportError::Read { .. } | ImportError::Archive(_) => Failure::runtime(format!("{error}; {rest}")),
    }
}

/// The counts on standard output, the bad rows on standard error. Bad rows are no failure: the rest was imported.
fn print(args: &ImportArgs, report: &ImportReport) -> Result<(), Failure> {
    for row in &report.first_bad {
        eprintln!("{row}");
    }
    let unnamed = report.bad - report.first_bad.len() as u64;
    if unnamed > 0 {
        eprintln!("and {unnamed} bad rows more");
    }
    let counts = [
        ("files", report.files),
        ("records", report.records),
        ("rounds", report.rounds),
        ("rows", report.rows),
        ("duplicates", report.duplicates),
        ("skipped", report.skipped),
        ("bad", report.bad),
        ("commits", report.commits),
    ];
    args.output.counts(&counts, Some(args.dry_run))
}

fn moment(text: &str) -> Result<UtcMicros, String> {
    let since_1970 = humantime::parse_rfc3339_weak(text)
        .ok()
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_micros()).ok());
    since_1970.map(UtcMicros).ok_or_else(|| "expected a time such as 2026-03-01T10:00:00Z".to_owned())
}
