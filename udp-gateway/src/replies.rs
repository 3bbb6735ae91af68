//! Replies of one batch: whom each is for, and which cannot be sent.

use cloudping_schemas::gateway::{Answer, Formatter};

/// What fits into a datagram over IPv4, in bytes.
pub const MAX_DATAGRAM: usize = 65_507;

/// Replies that are not sent, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unusable {
    /// No datagram of the batch has the tag.
    pub unknown_tag: u64,
    /// The tag was answered already; the first reply counts.
    pub repeated_tag: u64,
    /// The data is not of the formatter.
    pub unreadable: u64,
    /// It fits into no datagram.
    pub too_large: u64,
}

/// The replies to a batch, in memory that is used again.
#[derive(Debug, Default)]
pub struct Replies {
    bytes: Vec<u8>,
    /// The index of the datagram, and where the reply ends.
    replies: Vec<(usize, usize)>,
    answered: Vec<bool>,
    unusable: Unusable,
}

impl Replies {
    /// Forgets all; what comes now answers a batch of so many.
    pub fn start(&mut self, packets: usize) {
        self.bytes.clear();
        self.replies.clear();
        self.answered.clear();
        self.answered.resize(packets, false);
        self.unusable = Unusable::default();
    }

    /// Answers the datagram of this index. A second answer, one to no datagram, and one that is too large are counted instead.
    pub fn push(&mut self, index: usize, data: &[u8]) {
        match self.answered.get_mut(index) {
            None => self.unusable.unknown_tag += 1,
            Some(true) => self.unusable.repeated_tag += 1,
            Some(_) if data.len() > MAX_DATAGRAM => self.unusable.too_large += 1,
            Some(answered) => {
                *answered = true;
                self.bytes.extend_from_slice(data);
                self.replies.push((index, self.bytes.len()));
            }
        }
    }

    /// Adds what a target answered in the wire format; a reply is read in the formatter of the message that it answers.
    pub fn read(&mut self, answer: &Answer<'_>, formatter_of: impl Fn(usize) -> Formatter) {
        for reply in &answer.replies {
            let Some(index) = index_of(&reply.tag).filter(|index| *index < self.answered.len()) else {
                self.unusable.unknown_tag += 1;
                continue;
            };
            match formatter_of(index).read(&reply.data) {
                Ok(data) => self.push(index, &data),
                Err(_) => self.unusable.unreadable += 1,
            }
        }
    }

    /// The replies: the index of the datagram that each answers, and its data.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let starts = std::iter::once(0).chain(self.replies.iter().map(|(_, end)| *end));
        self.replies.iter().zip(starts).map(|((index, end), start)| (*index, &self.bytes[start..*end]))
    }

    /// How many can be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether there is none to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Those that cannot.
    #[must_use]
    pub fn unusable(&self) -> Unusable {
        self.unusable
    }
}

/// The tag of a datagram: its index in the batch.
#[must_use]
pub fn tag_of(index: usize) -> String {
    format!("{index:x}")
}

/// The index that a tag names; `None` for one that this gateway did not give.
#[must_use]
pub fn index_of(tag: &str) -> Option<usize> {
    let index = usize::from_str_radix(tag, 16).ok()?;
    // `+1`, `01` and `A` are read as numbers too.
    (tag_of(index) == tag).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str, formatter: Formatter) -> (Vec<(usize, Vec<u8>)>, Unusable) {
        let mut replies = Replies::default();
        replies.start(20);
        replies.read(&Answer::parse(answer.as_bytes()).unwrap(), |_| formatter);
        (replies.iter().map(|(index, data)| (index, data.to_vec())).collect(), replies.unusable())
    }

    #[test]
    fn replies_go_to_the_datagrams_that_their_tags_name() {
        let answer = r#"{"Replies":[{"Tag":"13","Data":"Yg=="},null,{"Tag":"0","Data":"YQ=="}]}"#;
        let expected = vec![(19, b"b".to_vec()), (0, b"a".to_vec())];
        assert_eq!(read(answer, Formatter::Base64), (expected, Unusable::default()));
    }

    #[test]
    fn what_cannot_be_sent_is_counted_by_its_reason() {
        let large = "x".repeat(MAX_DATAGRAM + 1);
        let replies =
            [("0", "a"), ("0", "b"), ("14", "c"), ("01", "d"), ("A", "e"), ("", "f"), ("1", "é"), ("2", &large)];
        let rows: Vec<String> =
            replies.iter().map(|(tag, data)| format!(r#"{{"Tag":"{tag}","Data":"{data}"}}"#)).collect();
        let (sent, unusable) = read(&format!(r#"{{"Replies":[{}]}}"#, rows.join(",")), Formatter::Ascii);
        assert_eq!(sent, [(0, b"a".to_vec())]);
        assert_eq!(unusable, Unusable { unknown_tag: 4, repeated_tag: 1, unreadable: 1, too_large: 1 });
    }

    #[test]
    fn tags_are_unique_and_read_back() {
        let tags: std::collections::HashSet<String> = (0..10_000).map(tag_of).collect();
        assert_eq!(tags.len(), 10_000);
        assert!((0..10_000).all(|index| index_of(&tag_of(index)) == Some(index)));
        assert!(["+1", "", " 1", "-1", "0x1", "ffffffffffffffffff"].iter().all(|tag| index_of(tag).is_none()));
    }
}
