//! The definitions are as the golden files have them: what runs in somebody's account must not change unseen.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::duckdb::sql_text;

use super::*;

fn of(holding: Holding) -> Definition {
    let (folder, database) = match holding {
        Holding::Tables => ("tables", "cloudping"),
        Holding::Export => ("export", "cloudping_export"),
    };
    Definition::new(holding, &format!("s3://example-bucket/{folder}/"), database, "2026-01-15".parse().unwrap())
}

/// Compares with a file in schemas/golden/athena. With UPDATE_GOLDEN set it writes the file instead.
fn check(file: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden/athena").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap_or_default(), "differs from {}", path.display());
}

fn glue(holding: Holding) -> String {
    let mut text = serde_json::to_string_pretty(&glue_tables(&of(holding))).unwrap();
    text.push('\n');
    text
}

#[test]
fn the_definitions_stay_as_they_are() {
    check("tables.sql", &athena_ddl(&of(Holding::Tables)));
    check("export.sql", &athena_ddl(&of(Holding::Export)));
    check("glue-tables.json", &glue(Holding::Tables));
    check("glue-export.json", &glue(Holding::Export));
    check("duckdb-tables.sql", &duckdb_views(&of(Holding::Tables), &BTreeSet::new()));
    check("duckdb-export.sql", &duckdb_views(&of(Holding::Export), &BTreeSet::new()));
    check("duckdb-nothing.sql", &duckdb_views(&of(Holding::Export), &Table::ALL.into()));
    let queries =
        athena_queries().iter().map(|query| format!("-- {}: {}\n{};\n", query.name, query.answers, query.sql));
    check("queries.sql", &queries.collect::<Vec<_>>().join("\n"));
}

#[test]
fn glue_takes_every_name_and_comment() {
    for holding in [Holding::Tables, Holding::Export] {
        for (input, table) in glue_tables(&of(holding)).iter().zip(Table::ALL) {
            let columns = |at: &Value| at.as_array().unwrap().clone();
            let keys = columns(&input["PartitionKeys"]);
            let inside = columns(&input["StorageDescriptor"]["Columns"]);
            assert_eq!(keys.len() + inside.len(), table.schema().fields().len());
            assert_eq!(keys.first().and_then(|key| key["Name"].as_str()), table.partition());
            for column in keys.iter().chain(&inside) {
                // Glue's CommentString: at most 255 bytes.
                assert!(column["Comment"].as_str().is_some_and(|comment| comment.len() <= 255), "{column}");
            }
        }
    }
}

#[test]
fn a_month_is_counted_from_its_first_day() {
    let months = projection(&of(Holding::Export), Table::Changes);
    assert!(months.contains(&("projection.month.range".to_owned(), "2026-01-01,NOW".to_owned())), "{months:?}");
    let days = projection(&of(Holding::Export), Table::Samples);
    assert!(days.contains(&("projection.date.range".to_owned(), "2026-01-15,NOW".to_owned())), "{days:?}");
    assert_eq!(projection(&of(Holding::Export), Table::Regions), []);
}

#[test]
fn texts_and_names_are_quoted() {
    assert_eq!(text_of(r"the kernel's \ own"), r"'the kernel\'s \\ own'");
    assert_eq!(name("a`b"), "`a``b`");
    assert_eq!(sql_text("it's"), "'it''s'");
}
