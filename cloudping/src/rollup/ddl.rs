//! `cloudping rollup ddl`.

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use cloudping_batch_rollup::athena::{Definition, Holding, athena_ddl, athena_queries, duckdb_views, glue_tables};

use crate::failure::Failure;
use crate::output;

/// Arguments of `rollup ddl`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup ddl --location s3://my-cloudping/tables
  cloudping rollup ddl --of export --location s3://my-bucket/latency --since 2026-03-01
  cloudping rollup ddl --engine glue --location s3://my-cloudping/tables > tables.json
  cloudping rollup ddl --engine duckdb --of export --location /srv/latency > views.sql
  cloudping rollup ddl --queries --location s3://my-cloudping/tables

Prints what defines the tables elsewhere; it asks nobody and changes nothing.")]
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
        Engine::Duckdb => duckdb_views(&definition),
    })
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
        assert!(printed("--queries --location s3://b/t").unwrap().contains("merge(CAST(digest AS tdigest))"));
        assert!(printed("--location /srv/latency").unwrap_err().contains("expected s3://BUCKET/FOLDER"));
    }
}
