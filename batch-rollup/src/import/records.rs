//! Records of a file, one after the other: a line each, or elements of a list in JSON.

use std::io::{self, BufRead, ErrorKind};

/// The longest record, in bytes.
const MAX_RECORD: usize = 16 << 20;

/// How the answer to a scan begins, without its blanks.
const PAGE: &[u8] = b"{\"Items\":[";

/// How records stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One a line.
    Lines,
    /// In lists, one after the other: each stands alone, or is the first field of an object (the answer to a scan).
    List,
}

impl Layout {
    /// The layout of a file that begins so: an object is a record, unless a list is its first value.
    pub(super) fn of(beginning: &[u8]) -> Self {
        let list_first = beginning.trim_ascii_start().starts_with(b"[");
        if list_first || begins_with(beginning, PAGE) { Self::List } else { Self::Lines }
    }
}

/// A record's line and its bytes.
pub(super) type Located = (u64, Vec<u8>);

/// Reads the records of a file, one at a time.
pub(super) struct Records<R> {
    reader: R,
    layout: Layout,
    line: u64,
    place: Place,
    ended: bool,
}

/// Where in a file of lists.
#[derive(Clone, Copy)]
enum Place {
    /// Where a list is to begin.
    Outside,
    /// In a list, which may be in an object.
    List { in_object: bool },
    /// In an object, after its list.
    AfterList,
}

/// What stands where a list is to begin.
enum Found {
    List {
        in_object: bool,
    },
    /// Something else.
    Other(Located),
    /// The end of the file.
    Nothing,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R, layout: Layout) -> Self {
        Self { reader, layout, line: 1, place: Place::Outside, ended: false }
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

    fn next_of_lists(&mut self) -> io::Result<Option<Located>> {
        loop {
            match self.place {
                Place::Outside => match self.next_list()? {
                    Found::List { in_object } => self.place = Place::List { in_object },
                    Found::Other(other) => return Ok(Some(other)),
                    Found::Nothing => return Ok(None),
                },
                Place::List { in_object } => {
                    if let Some(element) = self.next_element(in_object)? {
                        return Ok(Some(element));
                    }
                }
                Place::AfterList => {
                    self.place = Place::Outside;
                    if !self.skip_to_end_of_object()? {
                        self.ended = true;
                        return Ok(Some((self.line, Vec::new())));
                    }
                }
            }
        }
    }

    /// Goes on behind the bracket that begins the next list. What stands before it is no part of any: an object, or text up to where its line ends or
    /// something else begins. It is given as a record, so that it is read or named, not passed over.
    fn next_list(&mut self) -> io::Result<Found> {
        let mut other = Element::default();
        loop {
            let Some(byte) = self.peek()? else {
                return Ok(other.located().map_or(Found::Nothing, Found::Other));
            };
            let outermost = other.nesting.depth == 0;
            if outermost
                && matches!(byte, b'[' | b'{' | b'\n')
                && let Some(text) = std::mem::take(&mut other).located()
            {
                return Ok(Found::Other(text));
            }
            self.skip(byte);
            if outermost && byte == b'[' {
                return Ok(Found::List { in_object: false });
            }
            other.push(byte, self.line);
            if byte == b'[' && begins_with(&other.bytes, PAGE) {
                return Ok(Found::List { in_object: true });
            }
            if byte == b'}' && other.nesting.depth == 0 {
                return Ok(other.located().map_or(Found::Nothing, Found::Other));
            }
            if other.bytes.len() > MAX_RECORD {
                return Err(too_long(self.line));
            }
        }
    }

    /// The next element of a list; `None` behind the last.
    fn next_element(&mut self, in_object: bool) -> io::Result<Option<Located>> {
        let mut element = Element::default();
        loop {
            let Some(byte) = self.peek()? else {
                // A list that does not end: what there is of its last element is no JSON, and is said to be none.
                self.ended = true;
                return Ok(Some((element.line.unwrap_or(self.line), element.bytes)));
            };
            self.skip(byte);
            match element.take(byte, self.line) {
                Step::More if element.bytes.len() > MAX_RECORD => return Err(too_long(self.line)),
                Step::More => {}
                Step::Element => return Ok(Some((element.line.unwrap_or(self.line), element.bytes))),
                Step::End => {
                    self.place = if in_object { Place::AfterList } else { Place::Outside };
                    return Ok(element.located());
                }
            }
        }
    }

    /// Goes on behind the object that a list was in; false if it does not end.
    fn skip_to_end_of_object(&mut self) -> io::Result<bool> {
        let mut nesting = Nesting { depth: 1, ..Nesting::default() };
        while nesting.depth > 0 {
            let Some(byte) = self.peek()? else { return Ok(false) };
            self.skip(byte);
            nesting.take(byte);
        }
        Ok(true)
    }

    /// The next byte, which stays the next one.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.reader.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on behind the next byte, which is this one; counts lines.
    fn skip(&mut self, byte: u8) {
        self.reader.consume(1);
        self.line += u64::from(byte == b'\n');
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
            Layout::List => self.next_of_lists(),
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

/// Within how many brackets a byte of JSON stands, and whether in a text.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    fn take(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_outermost(&self) -> bool {
        self.depth == 0 && !self.in_string
    }
}

/// An element of a list that is being read: it ends at a comma or bracket outside its own brackets and strings.
#[derive(Default)]
struct Element {
    bytes: Vec<u8>,
    /// Where it begins.
    line: Option<u64>,
    nesting: Nesting,
}

impl Element {
    fn take(&mut self, byte: u8, line: u64) -> Step {
        match byte {
            b',' if self.nesting.is_outermost() => Step::Element,
            b']' if self.nesting.is_outermost() => Step::End,
            _ => {
                self.push(byte, line);
                Step::More
            }
        }
    }

    /// Takes a byte, unless it is a blank before the first one.
    fn push(&mut self, byte: u8, line: u64) {
        if self.line.is_some() || !byte.is_ascii_whitespace() {
            self.nesting.take(byte);
            self.line.get_or_insert(line);
            self.bytes.push(byte);
        }
    }

    /// `None` if it is empty.
    fn located(self) -> Option<Located> {
        self.line.map(|line| (line, self.bytes))
    }
}

/// Whether a text begins so, blanks aside.
fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    text.iter().filter(|byte| !byte.is_ascii_whitespace()).take(beginning.len()).eq(beginning)
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
    fn lists_follow_each_other_as_files_do_that_were_put_together() {
        assert_eq!(
            records("[{\"a\":1}]\n[{\"a\":2},{\"a\":3}][]\n[{\"a\":4}]"),
            located(&[(1, "{\"a\":1}"), (2, "{\"a\":2}"), (2, "{\"a\":3}"), (3, "{\"a\":4}")])
        );
        let page = |nth: u32| {
            format!("{{ \"Items\": [{{\"a\":{nth}}}],\n\"LastEvaluatedKey\":{{\"x\":\"]}}[\\\"\"}},\"None\":[] }}\n")
        };
        assert_eq!(records(&(page(1) + &page(2) + "[3]")), located(&[(1, "{\"a\":1}"), (3, "{\"a\":2}"), (5, "3")]));
    }

    #[test]
    fn what_stands_between_lists_is_a_record_of_its_own() {
        for (between, expected) in [
            (",", &[(1, ",")][..]),
            ("]", &[(1, "]")]),
            ("}", &[(1, "}")]),
            ("\nnone of\nthese\n", &[(2, "none of"), (3, "these")]),
            ("{\"Count\":1,\n\"Items\":[{\"a\":[2]}]}", &[(1, "{\"Count\":1,\n\"Items\":[{\"a\":[2]}]}")]),
        ] {
            let line = 1 + between.matches('\n').count() as u64;
            let all = [&[(1, "{\"a\":1}")], expected, &[(line, "{\"a\":3}")]].concat();
            assert_eq!(records(&format!("[{{\"a\":1}}]{between}[{{\"a\":3}}]")), located(&all), "{between:?}");
        }
        assert_eq!(records("[1] rest"), located(&[(1, "1"), (1, "rest")]));
        assert_eq!(records("[1]{\"Items\":2"), located(&[(1, "1"), (1, "{\"Items\":2")]));
        assert_eq!(records("{\"Items\":[1],\"Count\""), located(&[(1, "1"), (1, "")]));
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
