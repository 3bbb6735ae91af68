//! A file to import: unpacked where it is compressed, and told for what it is.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::records::Layout;

/// So much of a file tells what it is.
const BEGINNING: u64 = 16 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Some programs begin a text in UTF-8 with it.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// What rows are in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CloudPing.co's `PingTest` or `cloudping_stored_avgs`, as JSON of DynamoDB: an export to S3, or the answer to a scan.
    CloudPing,
    /// Ping results of RIPE Atlas, as a JSON list or a result a line.
    Atlas,
    /// A table in CSV, with a header.
    Csv,
}

/// A file to import.
pub struct Input {
    /// Its name, for messages.
    pub name: String,
    /// Its bytes; gzip is noticed.
    pub bytes: Box<dyn Read + Send>,
    /// How many there are; 0 where that is not known.
    pub length: u64,
}

/// A file that was opened.
pub(super) struct Opened {
    pub(super) reader: Box<dyn BufRead + Send>,
    /// What it seems to be.
    pub(super) format: Option<Format>,
    pub(super) layout: Layout,
    /// How many of its bytes, compressed as they may be, were read.
    pub(super) read: Arc<AtomicU64>,
}

/// Unpacks a file and looks at its beginning.
pub(super) fn open(bytes: Box<dyn Read + Send>) -> io::Result<Opened> {
    let read = Arc::new(AtomicU64::new(0));
    let (first, rest) = peek(Counted { bytes, read: Arc::clone(&read) }, GZIP.len() as u64)?;
    let whole = Cursor::new(first.clone()).chain(rest);
    let unpacked: Box<dyn Read + Send> = match first == GZIP {
        true => Box::new(MultiGzDecoder::new(BufReader::new(whole))),
        false => Box::new(whole),
    };
    let (mut beginning, rest) = peek(unpacked, BEGINNING)?;
    if beginning.starts_with(BYTE_ORDER_MARK) {
        beginning.drain(..BYTE_ORDER_MARK.len());
    }
    let (format, layout) = (format_of(&beginning), Layout::of(&beginning));
    let reader = Box::new(BufReader::with_capacity(1 << 16, Cursor::new(beginning).chain(rest)));
    Ok(Opened { reader, format, layout, read })
}

fn peek<R: Read>(mut reader: R, bytes: u64) -> io::Result<(Vec<u8>, R)> {
    let mut first = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut first)?;
    Ok((first, reader))
}

/// What a file is that begins so; `None` where that is not clear.
fn format_of(beginning: &[u8]) -> Option<Format> {
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim_start();
    if !text.starts_with(['{', '[']) {
        let header = text.lines().next().unwrap_or_default().to_ascii_lowercase();
        return ["ts", "source", "target"].iter().all(|column| header.contains(column)).then_some(Format::Csv);
    }
    let has = |field: &str| text.contains(field);
    match (has("\"prb_id\""), has("\"regionTo\"") || has("\"region_from\"")) {
        (true, false) => Some(Format::Atlas),
        (false, true) => Some(Format::CloudPing),
        _ => None,
    }
}

/// Counts what is read.
struct Counted {
    bytes: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn format(bytes: &[u8]) -> Option<Format> {
        open(Box::new(Cursor::new(bytes.to_vec()))).unwrap().format
    }

    #[test]
    fn a_file_tells_what_it_is_also_compressed() {
        for (text, expected) in [
            ("ts,source,target,rtt_ms\n", Some(Format::Csv)),
            ("\u{feff}ts,source,target,rtt_ms\n", Some(Format::Csv)),
            ("[{\"prb_id\":1}]", Some(Format::Atlas)),
            (" {\"Item\":{\"regionTo\":{}}}", Some(Format::CloudPing)),
            ("{\"Items\":[{\"region_from\":{}}]}", Some(Format::CloudPing)),
            ("{\"a\":1}", None),
            ("hello", None),
            ("", None),
        ] {
            assert_eq!(format(text.as_bytes()), expected, "{text}");
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            let packed = packed.finish().unwrap();
            assert_eq!(format(&packed), expected, "{text}");
            // Files that are put together are one.
            let opened = open(Box::new(Cursor::new([packed.clone(), packed.clone()].concat()))).unwrap();
            let whole = io::read_to_string(opened.reader).unwrap();
            assert_eq!(whole, text.repeat(2).trim_start_matches('\u{feff}'));
            assert_eq!(opened.read.load(Ordering::Relaxed), 2 * packed.len() as u64);
        }
    }
}
