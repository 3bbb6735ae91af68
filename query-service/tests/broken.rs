//! A broken file of the archive is named, and only the dates that need it have no answer.

mod common;

use std::path::{Path, PathBuf};

use common::*;

/// The data files of the table of samples, by date.
fn files(world: &World) -> Vec<PathBuf> {
    let folder = world.folder.path().join("tables/samples");
    let dates = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut dates: Vec<_> = dates.filter(|path| path.to_string_lossy().contains("date=")).collect();
    dates.sort();
    let files = dates.iter().flat_map(|date| std::fs::read_dir(date).unwrap()).map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

async fn is_named(damage: impl Fn(&Path), fault: &str) {
    let world = archived().await;
    world.archive_samples(&[answered(NOW, 1)]).await;
    let all = files(&world);
    assert_eq!(all.len(), 2, "{all:?}");
    // Not listed, hence no matter.
    std::fs::write(all[1].with_file_name("notes.parquet"), "text").unwrap();
    damage(&all[0]);
    let broken = all[0].strip_prefix(world.folder.path().join("tables")).unwrap().to_string_lossy().into_owned();
    let series =
        "/api/v1/series?source=us-east-1&target=eu-west-1&start=2026-01-01T12:00:00Z&end=2026-01-01T13:00:00Z&step=60";
    for answer in [world.sql("select sum(rtt_us) from samples").await, world.get(series).await] {
        let detail = answer.problem(500);
        assert!(detail.contains(&format!("file {broken} {fault}")), "{detail}");
        assert!(!detail.contains(&*world.folder.path().to_string_lossy()), "{detail}");
    }
    let others = world.sql("select count(*), sum(rtt_us) from samples where date = date '2026-01-02'").await.ok();
    assert_eq!(others["rows"], serde_json::json!([[1, 1]]));
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    is_named(|file| std::fs::remove_file(file).unwrap(), "is missing").await;
}

#[tokio::test]
async fn a_file_that_is_empty_or_cut_off_is_named() {
    is_named(|file| std::fs::write(file, "").unwrap(), "has 0 bytes, expected").await;
    let cut = |file: &Path| {
        let bytes = std::fs::read(file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() - 100]).unwrap();
    };
    is_named(cut, "has ").await;
}

#[tokio::test]
async fn a_file_of_text_is_named() {
    let text = |file: &Path| {
        let length = std::fs::metadata(file).unwrap().len() as usize;
        std::fs::write(file, &"text ".repeat(length)[..length]).unwrap();
    };
    is_named(text, "is no Parquet, or damaged").await;
}
