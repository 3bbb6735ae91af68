//! The export as a data set in Croissant 1.0, the JSON-LD vocabulary of MLCommons (<http://mlcommons.org/croissant/1.0>): catalogues and loaders of data
//! sets read it.

use serde_json::{Value, json};

use super::about;
use super::columns::Column;
use super::manifest::{ExportFormat, Manifest, TableEntry};
use super::origins::{LICENSE, LICENSE_URL};

/// The vocabulary's own context.
const CONTEXT: &str = r#"{
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField",
    "path": "cr:path", "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/", "separator": "cr:separator",
    "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform"
}"#;

/// What Croissant calls Parquet.
const PARQUET: &str = "application/x-parquet";

/// The metadata of an export. Its files are those of the manifest in Parquet; paths are relative to it.
pub(crate) fn metadata(manifest: &Manifest) -> Value {
    let context: Value = serde_json::from_str(CONTEXT).expect("the text above is JSON");
    let last = manifest.files().filter_map(|file| file.last_ts.as_deref()).map(day).max();
    let mut files = Vec::new();
    let mut sets = Vec::new();
    for table in &manifest.tables {
        let of_table = files_of(manifest, table);
        if !of_table.is_empty() {
            sets.push(record_set(table));
            files.push(file_set(table));
            files.extend(of_table);
        }
    }
    json!({
        "@context": context,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "cloudping",
        "description": about::description(manifest),
        "license": license(manifest),
        "url": "./",
        "version": version(manifest),
        "datePublished": last,
        "isLiveDataset": true,
        "citeAs": "cloudping: network latency between cloud regions",
        "distribution": files,
        "recordSet": sets,
    })
}

/// The licence's address, or the file that says what holds for which rows.
fn license(manifest: &Manifest) -> &'static str {
    if manifest.license == LICENSE { LICENSE_URL } else { "LICENSE.txt" }
}

/// Grows with every partition, and with every revision of one.
fn version(manifest: &Manifest) -> String {
    let revisions: u32 = manifest.partitions.iter().map(|entry| entry.revision - 1).sum();
    format!("1.{}.{revisions}", manifest.partitions.len())
}

fn day(moment: &str) -> &str {
    moment.split('T').next().unwrap_or(moment)
}

fn files_of(manifest: &Manifest, table: &TableEntry) -> Vec<Value> {
    let entries = manifest.partitions.iter();
    let entries = entries.filter(|entry| entry.table == table.name && entry.format == ExportFormat::Parquet);
    let files = entries.flat_map(|entry| &entry.files);
    let object = |file: &super::FileEntry| {
        json!({
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path,
            "contentUrl": file.path,
            "contentSize": format!("{} B", file.bytes),
            "encodingFormat": PARQUET,
            "sha256": file.sha256,
        })
    };
    files.map(object).collect()
}

/// The files of a table. What they are contained in is left out: it is the folder that the metadata lie in, and loaders take it for that.
fn file_set(table: &TableEntry) -> Value {
    let folders = if table.partition.is_some() { "*/" } else { "" };
    json!({
        "@type": "cr:FileSet",
        "@id": format!("{}-files", table.name),
        "name": format!("{}-files", table.name),
        "description": table.description,
        "encodingFormat": PARQUET,
        "includes": format!("{}/{folders}*.parquet", table.name),
    })
}

fn record_set(table: &TableEntry) -> Value {
    let inside = table.columns.iter().filter(|column| Some(&column.name) != table.partition.as_ref());
    json!({
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.description,
        "field": inside.map(|column| field(table, column)).collect::<Vec<_>>(),
    })
}

fn field(table: &TableEntry, column: &Column) -> Value {
    let kind = match column.kind.as_str() {
        "int32" | "int64" => "sc:Integer",
        "float64" => "sc:Float",
        "date" => "sc:Date",
        "timestamp" => "sc:DateTime",
        // Croissant 1.0 has no bytes.
        _ => "sc:Text",
    };
    json!({
        "@type": "cr:Field",
        "@id": format!("{}/{}", table.name, column.name),
        "name": column.name,
        "description": column.comment,
        "dataType": kind,
        "source": {
            "fileSet": { "@id": format!("{}-files", table.name) },
            "extract": { "column": column.name },
        },
    })
}
