//! Which bytes of a file a request asks for (RFC 9110, 14).

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: there is no header, or one that need not be understood.
    Whole,
    /// One part, which is not empty.
    Part(Range<u64>),
    /// Nothing that the file has.
    Unsatisfiable,
}

/// The bytes of a file of `size` bytes that `Range: text` asks for. Several ranges at once are answered by the whole file, as they may be.
pub(crate) fn asked(text: Option<&str>, size: u64) -> Asked {
    let Some((unit, spec)) = text.and_then(|text| text.split_once('=')) else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes")) else {
        return Asked::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // Beyond every file.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Asked::Whole,
    };
    if part.is_empty() { Asked::Unsatisfiable } else { Asked::Part(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_rfc() {
        let part = |from: u64, to: u64| Asked::Part(from..to);
        for (text, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-499", part(0, 100)),
            ("Bytes=10-19", part(10, 20)),
            ("bytes=99-", part(99, 100)),
            ("bytes=-1", part(99, 100)),
            ("bytes=-500", part(0, 100)),
            ("bytes=100-", Asked::Unsatisfiable),
            ("bytes=100-200", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-99999999999999999999999", part(5, 100)),
            ("bytes=99999999999999999999999-", Asked::Unsatisfiable),
            ("bytes=20-10", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(asked(Some(text), 100), expected, "{text}");
        }
        assert_eq!(asked(None, 100), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Unsatisfiable);
    }
}
