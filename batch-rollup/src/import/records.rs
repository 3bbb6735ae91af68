//! Records of a file, one after the other: a line each, or elements of a list in JSON.

use std::io::{self, BufRead, ErrorKind};

/// The longest record, in bytes.
const MAX_RECORD: usize = 16 << 20;

/// How records stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One a line.
    Lines,
    /// In the first list of the file: the file is one, or an object whose first field is one.
    List,
}

impl Layout {
    /// The layout of a file that begins so: an object is a record, unless a list is its first value.
    pub(super) fn of(beginning: &[u8]) -> Self {
        let plain: Vec<u8> = beginning.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(64).collect();
        let list_first = plain.strip_prefix(b"{\"Items\":").is_some_and(|rest| rest.starts_with(b"["));
        if plain.starts_with(b"[") || list_first { Self::List } else { Self::Lines }
    }
}

/// A record's line and its bytes.
pub(super) type Located = (u64, Vec<u8>);

/// Reads the records of a file, one at a time.
pub(super) struct Records<R> {
    reader: R,
    layout: Layout,
    line: u64,
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R, layout: Layout) -> Self {
        Self { reader, layout, line: 1, begun: false, ended: false }
    }

    fn next_line(&mut self) -> io::Result<Option<Located>> {
        loop {
            let (line, mut bytes) = (self.line, Vec::new());
            let limit = MAX_RECORD as u64 + 1;
            let read = io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == limit {
                return Err(too_long(line));
            }
            self.line += 1;
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some((line, bytes)));
            }
        }
    }

    fn next_element(&mut self) -> io::Result<Option<Located>> {
        if !self.begun {
            self.begun = true;
            while !matches!(self.byte()?, Some(b'[') | None) {}
        }
        let mut element = Element::default();
        loop {
            let Some(byte) = self.byte()? else {
                // A list that does not end: what there is of its last element is no JSON, and is said to be none.
                self.ended = true;
                return Ok(Some((element.line.unwrap_or(self.line), element.bytes)));
            };
            match element.take(byte, self.line) {
                Step::More if element.bytes.len() > MAX_RECORD => return Err(too_long(self.line)),
                Step::More => {}
                Step::Element => return Ok(Some((element.line.unwrap_or(self.line), element.bytes))),
                Step::End => {
                    self.ended = true;
                    let last = element.line.map(|line| (line, element.bytes));
                    return Ok(last);
                }
            }
        }
    }

    /// The next byte; counts lines.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = loop {
            match self.reader.fill_buf() {
                Ok(buffer) => break buffer.first().copied(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        if let Some(byte) = byte {
            self.reader.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Located>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = match self.layout {
            Layout::Lines => self.next_line(),
            Layout::List => self.next_element(),
        };
        self.ended |= !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// What a byte does to an element of a list.
enum Step {
    More,
    /// The element is whole, another one follows.
    Element,
    /// The list has ended.
    End,
}

/// An element of a list that is being read: it ends at a comma or bracket outside its own brackets and strings.
#[derive(Default)]
struct Element {
    bytes: Vec<u8>,
    /// Where it begins.
    line: Option<u64>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Element {
    fn take(&mut self, byte: u8, line: u64) -> Step {
        if self.line.is_none() && byte.is_ascii_whitespace() {
            return Step::More;
        }
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
        } else {
            match byte {
                b',' if self.depth == 0 => return Step::Element,
                b']' if self.depth == 0 => return Step::End,
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self.line.get_or_insert(line);
        self.bytes.push(byte);
        Step::More
    }
}

fn too_long(line: u64) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("line {line}: a record of more than {MAX_RECORD} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<(u64, String)> {
        let records = Records::new(text.as_bytes(), Layout::of(text.as_bytes()));
        records
            .map(|record| {
                record.map(|(line, bytes)| (line, String::from_utf8(bytes).unwrap().trim().to_owned())).unwrap()
            })
            .collect()
    }

    fn located(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn records_are_lines_or_elements() {
        assert_eq!(records("{\"a\":1}\n\n{\"a\":2}"), located(&[(1, "{\"a\":1}"), (3, "{\"a\":2}")]));
        assert_eq!(
            records("[{\"a\":[1,2]},\n {\"b\":\"],\\\"}\"}\n]\n"),
            located(&[(1, "{\"a\":[1,2]}"), (2, "{\"b\":\"],\\\"}\"}")])
        );
        let scan = "{\n  \"Items\": [\n    {\"x\": {\"S\": \"1\"}},\n    {\"x\": {}}\n  ],\n  \"Count\": 2\n}";
        assert_eq!(records(scan), located(&[(3, "{\"x\": {\"S\": \"1\"}}"), (4, "{\"x\": {}}")]));
        assert_eq!(records("[]"), located(&[]));
        assert_eq!(records(""), located(&[]));
    }

    #[test]
    fn a_list_that_is_cut_off_has_a_record_that_is_none() {
        assert_eq!(records("[{\"a\":1},\n{\"a\":"), located(&[(1, "{\"a\":1}"), (2, "{\"a\":")]));
        assert_eq!(records("[{\"a\":1},"), located(&[(1, "{\"a\":1}"), (1, "")]));
    }

    #[test]
    fn a_record_without_end_is_an_error_and_not_all_memory() {
        for text in ["{".repeat(MAX_RECORD + 2), format!("[{}", "{".repeat(MAX_RECORD + 2))] {
            let mut records = Records::new(text.as_bytes(), Layout::of(text.as_bytes()));
            let error = records.next().unwrap().unwrap_err();
            assert_eq!(error.to_string(), "line 1: a record of more than 16777216 bytes");
            assert!(records.next().is_none());
        }
    }
}
