//! Why a service did not do what it was asked, and what to do about it.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use cloudping_agent::checks::finding::Finding;

use super::permission::{Arns, missing};
use crate::aws::told;

/// The kinds that ask for something different of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The stream, table or bucket does not exist.
    NotThere,
    /// The credentials are good, and may not do this.
    Denied,
    /// The credentials are not good.
    Credentials,
    /// No answer.
    Unreachable,
    /// A server that is not AWS, and does not know this call.
    Unknown,
    /// Anything else.
    Other,
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind.
    pub kind: Kind,
    /// What was said.
    pub said: String,
}

/// An action that was tried for its own sake, and what it gave.
pub type Tried = (&'static str, Answer<()>);

/// What a call gave.
pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// One that the service has no code for.
    pub fn other(said: impl Into<String>) -> Self {
        Self { kind: Kind::Other, said: said.into() }
    }

    /// Whether what was asked about does not exist.
    pub fn is_absence(&self) -> bool {
        self.kind == Kind::NotThere
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Refusal
where
    E: Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        Self { kind: kind(error.code(), status), said: told(&error) }
    }
}

/// By the code that the service gave, or else by the HTTP status: an answer to HEAD has no room for a code.
fn kind(code: Option<&str>, status: Option<u16>) -> Kind {
    match (code, status) {
        (Some("ResourceNotFoundException" | "NoSuchBucket" | "NotFound"), _) => Kind::NotThere,
        (Some("AccessDeniedException" | "AccessDenied" | "Forbidden"), _) => Kind::Denied,
        (
            Some(
                "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "IncompleteSignature"
                | "MissingAuthenticationToken"
                | "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidToken"
                | "InvalidAccessKeyId"
                | "InvalidClientTokenId"
                | "RequestExpired"
                | "RequestTimeTooSkewed",
            ),
            _,
        ) => Kind::Credentials,
        (Some("NotImplemented" | "UnknownOperationException" | "MethodNotAllowed"), _) => Kind::Unknown,
        (None, Some(404)) => Kind::NotThere,
        (None, Some(401 | 403)) => Kind::Denied,
        (None, Some(405 | 501)) => Kind::Unknown,
        (None, None) => Kind::Unreachable,
        _ => Kind::Other,
    }
}

/// A call as its permission is named.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The check that needs it.
    pub check: &'static str,
    /// The IAM action, such as `kinesis:ListShards`.
    pub action: &'static str,
    /// On what, such as `stream events`.
    pub on: &'a str,
    /// How to make it where it is not there.
    pub make: &'a str,
    /// How IAM knows it.
    pub arns: &'a Arns,
}

impl Call<'_> {
    /// A finding for each action that did not succeed; what is `well`, where all did.
    pub fn tried(&self, tried: &[Tried], well: &str) -> Vec<Finding> {
        let refused =
            |(action, answer): &Tried| answer.as_ref().err().map(|refusal| Call { action, ..*self }.refused(refusal));
        let mut findings: Vec<Finding> = tried.iter().filter_map(refused).collect();
        // A service that is away is away for each of them.
        findings.dedup_by(|one, other| one.permission.is_none() && one.next == other.next);
        if findings.is_empty() {
            findings.push(Finding::ok(self.check, well));
        }
        findings
    }

    /// The finding of a call that did not succeed.
    pub fn refused(&self, refusal: &Refusal) -> Finding {
        let Self { check, action, on, make, arns } = *self;
        let said = &refusal.said;
        let (service, _) = action.split_once(':').unwrap_or((action, ""));
        match refusal.kind {
            Kind::NotThere => Finding::fail(check, format!("there is no {on}: {said}"), make),
            Kind::Denied => {
                Finding::denied(check, format!("{action} on {on} is denied: {said}"), missing(action, said, arns))
            }
            Kind::Credentials => Finding::fail(
                check,
                format!("{service} does not take the credentials: {said}"),
                "renew them (`aws sso login`, or new keys), and see that the clock is right",
            ),
            Kind::Unreachable => Finding::fail(
                check,
                format!("{service} does not answer: {said}"),
                format!(
                    "see that AWS_REGION is right, that the network lets it through, and AWS_ENDPOINT_URL_{} if it is set",
                    service.to_uppercase()
                ),
            ),
            Kind::Unknown => Finding::warn(
                check,
                format!("not checked: the server does not know {action}"),
                "nothing, if it is a server of your own; AWS knows it",
            ),
            Kind::Other => Finding::fail(
                check,
                format!("{action} on {on}: {said}"),
                "try again; what was said is the service's word",
            ),
        }
    }
}

/// The names of places in the tests.
#[cfg(test)]
pub fn arns() -> Arns {
    let name = str::to_owned;
    let (stream, table, bucket, prefix) = (name("events"), name("live"), name("archive"), name("a"));
    Arns::new(&crate::aws::Places { stream, table, bucket, prefix }, "eu-west-1", None)
}

#[cfg(test)]
pub fn refusal(kind: Kind) -> Refusal {
    Refusal { kind, said: "so it was said".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudping_agent::checks::finding::Status;

    #[test]
    fn a_kind_is_told_by_code_and_else_by_status() {
        assert_eq!(kind(Some("ResourceNotFoundException"), Some(400)), Kind::NotThere);
        assert_eq!(kind(Some("AccessDeniedException"), Some(400)), Kind::Denied);
        assert_eq!(kind(Some("ExpiredTokenException"), Some(400)), Kind::Credentials);
        assert_eq!(kind(Some("ValidationException"), Some(400)), Kind::Other);
        assert_eq!(kind(None, Some(404)), Kind::NotThere);
        assert_eq!(kind(None, Some(403)), Kind::Denied);
        assert_eq!(kind(None, Some(501)), Kind::Unknown);
        assert_eq!(kind(None, Some(500)), Kind::Other);
        assert_eq!(kind(None, None), Kind::Unreachable);
    }

    #[test]
    fn each_kind_says_what_to_do() {
        let call = Call {
            check: "stream",
            action: "kinesis:ListShards",
            on: "stream events",
            make: "make it with `cloudping up --aws … --create`",
            arns: &arns(),
        };
        let next = |kind| {
            let finding = call.refused(&refusal(kind));
            (finding.status, finding.next.unwrap())
        };
        assert_eq!(next(Kind::NotThere), (Status::Fail, call.make.to_owned()));
        assert!(
            next(Kind::Denied).1.starts_with("allow kinesis:ListShards on arn:aws:kinesis:eu-west-1:*:stream/events: ")
        );
        assert!(next(Kind::Credentials).1.contains("aws sso login"));
        assert!(next(Kind::Unreachable).1.contains("AWS_ENDPOINT_URL_KINESIS"));
        assert_eq!(next(Kind::Unknown).0, Status::Warn);
        assert_eq!(next(Kind::Other).0, Status::Fail);
        assert!(call.refused(&refusal(Kind::Other)).found.contains("so it was said"));
    }
}
