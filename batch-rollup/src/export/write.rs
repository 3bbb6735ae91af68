//! Writing one partition.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use deltalake_core::DeltaTable;
use parquet::errors::ParquetError;
use sha2::{Digest, Sha256};

use super::destination::{Destination, Upload};
use super::encode::Encoder;
use super::manifest::{ExportFormat, FileEntry};
use super::plan::Source;
use super::rows::{Extent, file_schema, sorted};
use super::{ExportError, ExportOptions, hex};
use crate::{Table, Tables};

/// What was written of a partition.
pub(crate) struct Written {
    pub(crate) files: Vec<FileEntry>,
    pub(crate) origins: BTreeSet<String>,
}

/// The folder of a partition's files below the export's root.
pub(crate) fn folder(source: &Source, format: ExportFormat) -> String {
    let below = source.folder();
    let slash = if below.is_empty() { "" } else { "/" };
    format!("{}{}{slash}{below}", format.folder(), source.table.name())
}

/// Writes a partition's rows into as many files as the options ask for, and removes what else is in its folder.
///
/// A file takes the place of an older one of its name in one step. There is no moment at which a reader of the folder finds rows twice, unless the
/// partition now has fewer files than before.
pub(crate) async fn write_partition(
    tables: &Tables,
    open: &DeltaTable,
    source: &Source,
    format: ExportFormat,
    options: &ExportOptions,
    to: &Destination,
) -> Result<Written, ExportError> {
    let rows_per_file = options.rows_per_file;
    let folder = folder(source, format);
    to.remove_unfinished(&folder);
    let unreadable = tables.error(source.table, "read the rows to export");
    let mut rows = sorted(open, source, &options.origins).await.map_err(&unreadable)?;
    let mut written = Written { files: Vec::new(), origins: BTreeSet::new() };
    let mut part: Option<Part> = None;
    while let Some(mut batch) = rows.next().await.map_err(&unreadable)? {
        while batch.num_rows() > 0 {
            let open_part = match &mut part {
                Some(part) => part,
                none => {
                    let path = format!("{folder}/part-{:04}.{}", written.files.len(), format.name());
                    none.insert(Part::begin(source.table, format, path, to).await?)
                }
            };
            let room = usize::try_from(rows_per_file.saturating_sub(open_part.rows)).unwrap_or(usize::MAX).max(1);
            let fitting = room.min(batch.num_rows());
            open_part.write(&batch.slice(0, fitting)).await?;
            batch = batch.slice(fitting, batch.num_rows() - fitting);
            if open_part.rows >= rows_per_file
                && let Some(full) = part.take()
            {
                written.add(full.finish().await?);
            }
        }
    }
    if let Some(last) = part {
        written.add(last.finish().await?);
    }
    let kept: BTreeSet<&str> = written.files.iter().map(|file| file.path.as_str()).collect();
    for path in to.sizes(&folder).await?.keys().filter(|path| !kept.contains(path.as_str())) {
        to.remove(path).await?;
    }
    Ok(written)
}

impl Written {
    fn add(&mut self, (file, origins): (FileEntry, BTreeSet<String>)) {
        self.files.push(file);
        self.origins.extend(origins);
    }
}

/// A file that is being written.
struct Part {
    table: Table,
    path: String,
    encoder: Encoder,
    upload: Upload,
    sum: Sha256,
    bytes: u64,
    rows: u64,
    extent: Extent,
}

impl Part {
    async fn begin(table: Table, format: ExportFormat, path: String, to: &Destination) -> Result<Self, ExportError> {
        let encoder = Encoder::new(format, table, file_schema(table)).map_err(unencodable(&path))?;
        let upload = to.upload(&path).await?;
        Ok(Self { table, path, encoder, upload, sum: Sha256::new(), bytes: 0, rows: 0, extent: Extent::default() })
    }

    async fn write(&mut self, rows: &RecordBatch) -> Result<(), ExportError> {
        let encoded = self.encoder.write(rows);
        let measured = self.extent.add(self.table, rows).map_err(ParquetError::from);
        encoded.and(measured).map_err(unencodable(&self.path))?;
        self.rows += rows.num_rows() as u64;
        let bytes = self.encoder.take();
        self.send(&bytes).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.upload.write(bytes).await
    }

    async fn finish(self) -> Result<(FileEntry, BTreeSet<String>), ExportError> {
        let Self { path, encoder, mut upload, mut sum, bytes, rows, extent, .. } = self;
        let rest = encoder.finish().map_err(unencodable(&path))?;
        sum.update(&rest);
        upload.write(&rest).await?;
        upload.finish().await?;
        let (first_ts, last_ts) = extent.span();
        let sha256 = hex(&sum.finalize());
        let file = FileEntry { path, bytes: bytes + rest.len() as u64, rows, first_ts, last_ts, sha256 };
        Ok((file, extent.origins))
    }
}

fn unencodable(path: &str) -> impl Fn(ParquetError) -> ExportError + use<> {
    let path = path.to_owned();
    move |source| ExportError::Encode { path: path.clone(), source }
}
