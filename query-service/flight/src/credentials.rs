//! The key that a call shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// The key of a call: a bearer's token, or the password of basic credentials.
pub fn presented(headers: &MetadataMap) -> Result<Option<String>, Status> {
    let Some(value) = headers.get("authorization") else { return Ok(None) };
    let malformed =
        || Status::unauthenticated("authorization: expected Bearer KEY, or Basic with the key as the password");
    let (scheme, value) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(value.trim().to_owned()).filter(|key| !key.is_empty()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let credentials = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let credentials = credentials.ok_or_else(malformed)?;
    let (_, password) = credentials.split_once(':').ok_or_else(malformed)?;
    Ok(Some(password.to_owned()).filter(|key| !key.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(authorization: &str) -> Result<Option<String>, Status> {
        let mut headers = MetadataMap::new();
        headers.insert("authorization", authorization.parse().unwrap());
        presented(&headers)
    }

    #[test]
    fn a_key_is_a_bearers_token_or_a_password() {
        assert_eq!(presented(&MetadataMap::new()).unwrap(), None);
        assert_eq!(key_of("Bearer cp_1").unwrap().as_deref(), Some("cp_1"));
        assert_eq!(key_of("bearer  ").unwrap(), None);
        assert_eq!(key_of("Basic YW55b25lOmNwXzE6Mg==").unwrap().as_deref(), Some("cp_1:2"));
        for wrong in ["Digest x", "Basic !", "Basic YWJj", "cp_1"] {
            assert!(key_of(wrong).unwrap_err().message().contains("expected Bearer KEY"), "{wrong}");
        }
    }
}
