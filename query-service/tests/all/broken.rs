//! A broken file of the archive is named, and only the dates that need it have no answer.

use std::path::{Path, PathBuf};

use crate::common::*;
use cloudping_schemas::tables;

/// The data files of a table, by partition.
fn files(world: &World, table: &str) -> Vec<PathBuf> {
    let folder = world.folder.path().join("tables").join(table);
    let partitions = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut partitions: Vec<_> = partitions.filter(|path| path.to_string_lossy().contains('=')).collect();
    partitions.sort();
    let files =
        partitions.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

async fn is_named(damage: impl Fn(&Path), fault: &str) {
    let world = archived().await;
    world.archive_samples(&[answered(NOW, 1)]).await;
    let all = files(&world, tables::SAMPLES);
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

#[tokio::test]
async fn a_sound_file_is_not_blamed_for_its_neighbour() {
    let world = World::new();
    for rtt_us in [1_000, 2_000] {
        world.append(tables::ROLLUP_1D, rollup_day(NOON, "us-east-1", "eu-west-1", &[rtt_us])).await;
    }
    let all = files(&world, tables::ROLLUP_1D);
    assert_eq!(all.len(), 2, "{all:?}");
    // Whichever of the two is looked at first.
    for gone in &all {
        let bytes = std::fs::read(gone).unwrap();
        std::fs::remove_file(gone).unwrap();
        let detail = world.sql("select sum(max_us) from rollup_1d").await.problem(500);
        let name = gone.file_name().unwrap().to_string_lossy();
        assert!(detail.contains(&format!("{name} is missing")), "{detail}");
        std::fs::write(gone, bytes).unwrap();
    }
}
