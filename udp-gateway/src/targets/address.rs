//! How targets are written.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// Before the name of a target in this process.
const IN_PROCESS: &str = "in-process:";
const EXPECTED: &str = "arn:aws:lambda:REGION:ACCOUNT:function:NAME, arn:aws:kinesis:REGION:ACCOUNT:stream/NAME, http://…, https://… \
                        or in-process:NAME";

/// Where a target is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum TargetAddress {
    /// A Lambda function, its version or alias.
    Lambda(Arn),
    /// A Kinesis data stream.
    Kinesis(Arn),
    /// An HTTP or HTTPS endpoint that takes batches by POST.
    Http(Url),
    /// A handler of this process, by name.
    InProcess(String),
}

/// The name of a resource of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn {
    /// As it was written.
    pub text: String,
    /// The region that it names.
    pub region: String,
    /// What it names there: a function or a stream, without the kind.
    pub name: String,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} {fault}, expected {EXPECTED}")]
pub struct AddressError {
    found: String,
    fault: String,
}

impl TargetAddress {
    /// Reads a target.
    ///
    /// # Errors
    /// [`AddressError`], with what is wrong and what was expected.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let fault = |fault: &str| AddressError { found: text.to_owned(), fault: fault.to_owned() };
        if let Some(name) = text.strip_prefix(IN_PROCESS) {
            let fits =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            return if fits { Ok(Self::InProcess(name.to_owned())) } else { Err(fault("names no handler")) };
        }
        if text.starts_with("arn:") {
            return arn(text).map_err(|what| fault(&what));
        }
        let url = Url::parse(text).map_err(|error| fault(&format!("is no address ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(fault("is of another kind"));
        }
        // It would end up in logs and in answers of the control API.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("has a password in it"));
        }
        Ok(Self::Http(url))
    }

    /// The region that the address itself names.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Lambda(arn) | Self::Kinesis(arn) => Some(&arn.region),
            Self::Http(_) | Self::InProcess(_) => None,
        }
    }
}

fn arn(text: &str) -> Result<TargetAddress, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else {
        return Err("is no whole ARN".to_owned());
    };
    if !matches!(partition, "aws" | "aws-cn" | "aws-us-gov" | "aws-eusc") {
        return Err(format!("is of the unknown partition {partition:?}"));
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("has no account of 12 digits".to_owned());
    }
    if region.is_empty() {
        return Err("names no region".to_owned());
    }
    let named = |name: &str| {
        (!name.is_empty()).then(|| Arn { text: text.to_owned(), region: region.to_owned(), name: name.to_owned() })
    };
    let (kind, address): (_, fn(Arn) -> TargetAddress) = match service {
        "lambda" => ("function:", TargetAddress::Lambda),
        "kinesis" => ("stream/", TargetAddress::Kinesis),
        other => return Err(format!("is the ARN of a resource of {other}")),
    };
    let arn = resource.strip_prefix(kind).and_then(named);
    arn.map(address).ok_or_else(|| format!("is the ARN of {resource:?} of {service}"))
}

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lambda(arn) | Self::Kinesis(arn) => f.write_str(&arn.text),
            Self::Http(url) => url.fmt(f),
            Self::InProcess(name) => write!(f, "{IN_PROCESS}{name}"),
        }
    }
}

impl From<TargetAddress> for String {
    fn from(address: TargetAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for TargetAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_and_written_alike() {
        for text in [
            "arn:aws:lambda:eu-west-1:123456789012:function:counter",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:counter:live",
            "arn:aws:kinesis:us-east-1:123456789012:stream/packets",
            "http://127.0.0.1:9000/packets",
            "https://example.com/",
            "in-process:packet-counter",
        ] {
            assert_eq!(TargetAddress::parse(text).unwrap().to_string(), text);
        }
        let TargetAddress::Lambda(arn) =
            TargetAddress::parse("arn:aws:lambda:eu-west-1:123456789012:function:counter:live").unwrap()
        else {
            panic!("a function")
        };
        assert_eq!((&*arn.region, &*arn.name), ("eu-west-1", "counter:live"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, fault) in [
            ("arn:aws:sqs:eu-west-1:123456789012:queue", "is the ARN of a resource of sqs"),
            ("arn:aws:s3:::bucket", "has no account of 12 digits"),
            ("arn:aws:lambda:eu-west-1:123456789012:layer:a:1", "is the ARN of \"layer:a:1\" of lambda"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:", "is the ARN of \"function:\" of lambda"),
            ("arn:aws:kinesis:eu-west-1:123456789012:counter", "is the ARN of \"counter\" of kinesis"),
            ("arn:aws:lambda::123456789012:function:a", "names no region"),
            ("arn:azure:lambda:eu-west-1:123456789012:function:a", "is of the unknown partition \"azure\""),
            ("arn:aws:lambda", "is no whole ARN"),
            ("ftp://example.com/", "is of another kind"),
            ("https://me:secret@example.com/", "has a password in it"),
            ("example", "is no address (relative URL without a base)"),
            ("in-process:", "names no handler"),
        ] {
            let error = TargetAddress::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} {fault}, expected arn:aws:lambda")), "{error}");
        }
    }
}
