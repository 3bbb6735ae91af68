//! `cloudping rollup ddl`.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use cloudping_agent::failure::Failure;
use cloudping_agent::output;
use cloudping_batch_rollup::Table;
use cloudping_batch_rollup::athena::{Definition, Holding, athena_ddl, athena_queries, duckdb_views, glue_tables};

/// Arguments of `rollup ddl`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup ddl --location s3://my-cloudping/tables
  cloudping rollup ddl --of export --location s3://my-bucket/latency --since 2026-03-01
  cloudping rollup ddl --engine glue --location s3://my-cloudping/tables > tables.json
  cloudping rollup ddl --engine duckdb --of export --location /srv/latency > views.sql
  cloudping rollup ddl --queries --location s3://my-cloudping/tables

Prints what defines the tables elsewhere; it asks nobody and changes nothing. For DuckDB it looks whether a folder of this
machine has files of each table: a table without any is a view without rows.")]
pub struct DdlArgs {
    /// For whom: athena prints SQL, glue the tables as Glue's API takes them (JSON), duckdb views
    #[arg(long, value_enum, default_value = "athena")]
    engine: Engine,
    /// What lies there: the Delta tables, or an export
    #[arg(long, value_enum, default_value = "tables")]
    of: What,
    /// The folder that the tables' folders are in
    #[arg(long, value_name = "URL|DIR")]
    location: String,
    /// The database to define them in [default: cloudping, or cloudping_export]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The first day of an export
    #[arg(long, default_value = "2026-01-01", value_name = "YYYY-MM-DD")]
    since: NaiveDate,
    /// Only these tables are there: the views of the others have no rows (DuckDB) [default: all, or those that a folder has]
    #[arg(long, value_parser = super::export::table, value_delimiter = ',', value_name = "NAME,NAME,…")]
    only: Vec<Table>,
    /// Print queries to begin with instead (Athena)
    #[arg(long)]
    queries: bool,
}

/// For whom the tables are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Athena,
    Glue,
    Duckdb,
}

/// What lies at the location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Tables,
    Export,
}

/// Prints the definitions.
pub fn run(args: DdlArgs) -> Result<(), Failure> {
    output::print(text(&args)?.trim_end())
}

fn text(args: &DdlArgs) -> Result<String, Failure> {
    if args.queries {
        let queries = athena_queries().iter();
        let shown = queries.map(|query| format!("-- {}: {}\n{};\n", query.name, query.answers, query.sql));
        return Ok(shown.collect::<Vec<_>>().join("\n"));
    }
    if args.engine != Engine::Duckdb && !args.location.starts_with("s3://") {
        return Err(Failure::setting(format!("--location {}: expected s3://BUCKET/FOLDER", args.location)));
    }
    let (holding, database) = match args.of {
        What::Tables => (Holding::Tables, "cloudping"),
        What::Export => (Holding::Export, "cloudping_export"),
    };
    let database = args.database.as_deref().unwrap_or(database);
    let definition = Definition::new(holding, &args.location, database, args.since);
    Ok(match args.engine {
        Engine::Athena => athena_ddl(&definition),
        Engine::Glue => serde_json::to_string_pretty(&glue_tables(&definition))
            .map_err(|error| Failure::runtime(format!("cannot write JSON: {error}")))?,
        Engine::Duckdb => duckdb_views(&definition, &absent(args)),
    })
}

/// The tables that are not to be defined by files: those that were not asked for, or of which a folder of this machine has none.
fn absent(args: &DdlArgs) -> BTreeSet<Table> {
    let root = Path::new(&args.location);
    let is_there = |table: &Table| match (args.only.is_empty(), root.is_dir()) {
        (false, _) => args.only.contains(table),
        (true, true) => holds_files(&root.join(table.name())),
        // Somewhere else, or to be made: nobody is asked.
        (true, false) => true,
    };
    Table::ALL.into_iter().filter(|table| !is_there(table)).collect()
}

/// Whether a table's folder has a log, a file, or a partition with one.
fn holds_files(folder: &Path) -> bool {
    let inside = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_file = |path: &Path| path.extension().is_some_and(|end| end == "parquet" || end == "json");
    inside(folder).any(|path| is_file(&path) || (path.is_dir() && inside(&path).any(|file| is_file(&file))))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: DdlArgs,
    }

    fn printed(line: &str) -> Result<String, String> {
        let words = ["ddl"].into_iter().chain(line.split_whitespace());
        let args = Line::try_parse_from(words).map_err(|error| error.to_string())?.args;
        text(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_engine_gets_its_own_words() {
        let tables = printed("--location s3://b/t/").unwrap();
        assert!(tables.contains("`cloudping`.`samples`\nLOCATION 's3://b/t/samples/'"), "{tables}");
        let export = printed("--of export --location s3://b/e --database mine --since 2026-03-01").unwrap();
        assert!(export.contains("`mine`.`samples` (\n") && export.contains("'2026-03-01,NOW'"), "{export}");
        let glue: serde_json::Value =
            serde_json::from_str(&printed("--engine glue --location s3://b/t").unwrap()).unwrap();
        assert_eq!(glue[0]["StorageDescriptor"]["Location"], "s3://b/t/samples/");
        let views = printed("--engine duckdb --of export --location /srv/latency").unwrap();
        assert!(views.contains("read_parquet('/srv/latency/samples/*/*.parquet'"), "{views}");
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("samples/date=2026-03-01");
        std::fs::create_dir_all(&day).unwrap();
        std::fs::create_dir(folder.path().join("rollup_1h")).unwrap();
        let views = || printed(&format!("--engine duckdb --of export --location {}", folder.path().display())).unwrap();
        assert!(!views().contains("read_parquet"), "there are folders and no files: {}", views());
        std::fs::write(day.join("part-0000.parquet"), "rows").unwrap();
        let found = views();
        assert_eq!((found.matches("read_parquet").count(), found.matches("WHERE false").count()), (1, 4), "{found}");
        let only = printed("--engine duckdb --only samples,regions --location s3://b/t").unwrap();
        assert_eq!((only.matches("delta_scan").count(), only.matches("WHERE false").count()), (2, 3), "{only}");
        assert!(printed("--queries --location s3://b/t").unwrap().contains("merge(CAST(digest AS tdigest))"));
        assert!(printed("--location /srv/latency").unwrap_err().contains("expected s3://BUCKET/FOLDER"));
    }
}
