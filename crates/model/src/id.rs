//! Identifiers of the two ends of a series.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Longest identifier, in bytes.
const MAX_LEN: usize = 64;

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} id {text:?}: expected 1 to 64 characters out of a-z, 0-9 and . _ : -")]
pub struct IdError {
    /// What the identifier should have named: `vantage` or `target`.
    pub kind: &'static str,
    /// The text that was refused.
    pub text: String,
}

fn checked(kind: &'static str, text: &str) -> Result<Arc<str>, IdError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._:-".contains(c);
    if text.is_empty() || text.len() > MAX_LEN || !text.chars().all(allowed) {
        return Err(IdError { kind, text: text.to_owned() });
    }
    Ok(text.into())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps an identifier.
            ///
            /// # Errors
            /// [`IdError`] when the text is empty, longer than 64 bytes, or holds another character than a-z, 0-9 and `. _ : -`.
            pub fn new(text: &str) -> Result<Self, IdError> {
                checked($kind, text).map(Self)
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

id!(
    /// Where a probe starts. A region's vantage point carries the region's id.
    VantageId,
    "vantage"
);
id!(
    /// Where a probe goes. A region's target carries the region's id.
    TargetId,
    "target"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_region_names_and_refuses_the_rest() {
        assert_eq!(VantageId::new("us-east-1").unwrap().as_str(), "us-east-1");
        assert!(TargetId::new("shop.example:8443").is_ok());
        for bad in ["", "US-EAST-1", "a b", "a/b", &"x".repeat(65)] {
            let error = TargetId::new(bad).unwrap_err();
            assert_eq!((error.kind, error.text.as_str()), ("target", bad));
        }
    }
}
