//! The bucket: there, in this region, closed to the public, and with conditional puts, on which the tables' commits rest.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use cloudping_agent::checks::finding::Finding;

use super::permission::Arns;
use super::refusal::{Answer, Call, Kind, Refusal, Tried};
use crate::aws::{Clients, Places};

const MAKE: &str = "make it with `cloudping up --aws … --create`";
/// The id of no upload.
const NO_UPLOAD: &str = "cloudping-doctor";

/// What S3 says of the bucket.
#[derive(Debug)]
pub struct BucketFacts {
    /// Its region, where it is told, by `HeadBucket`.
    pub head: Answer<Option<String>>,
    /// Where we are.
    pub region: Option<String>,
    /// Whether everything public is blocked, by `GetPublicAccessBlock`.
    pub closed: Answer<bool>,
    /// `ListObjectsV2` in the folder.
    pub listed: Answer<()>,
    /// `GetObject` in it.
    pub got: Answer<()>,
    /// What writing gave; `None` when it was not to be tried.
    pub written: Option<Written>,
}

/// What the trial of writing gave.
#[derive(Debug)]
pub struct Written {
    /// Two puts of one absent object, the second of which must be refused.
    pub put: Answer<Conditional>,
    /// `DeleteObject`.
    pub deleted: Answer<()>,
    /// `AbortMultipartUpload`, of an upload that there is not.
    pub aborted: Answer<()>,
}

/// How a second put-if-absent of one object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditional {
    /// It was refused, as it must be.
    Refused,
    /// It took the place of the first.
    Overwrote,
}

/// Asks S3; writes only if `write`.
pub async fn gather(clients: &Clients, places: &Places, write: bool) -> BucketFacts {
    let (client, bucket) = (&clients.s3, &places.bucket);
    let head = client.head_bucket().bucket(bucket).send().await.map_err(Refusal::from);
    let head = head.map(|answer| answer.bucket_region);
    let there = !head.as_ref().is_err_and(Refusal::is_absence);
    let list = client.list_objects_v2().bucket(bucket).prefix(places.key("")).max_keys(1);
    let listed = list.send().await.map(|_| ()).map_err(Refusal::from);
    let head = match (head, &listed) {
        // An answer to HEAD has no words: the next call is refused for the same reason, and says it.
        (Err(Refusal { kind: Kind::Denied, .. }), Err(told)) => Err(told.clone()),
        (head, _) => head,
    };
    BucketFacts {
        head,
        region: clients.config.region().map(ToString::to_string),
        closed: closed(client, bucket).await,
        listed,
        got: get(client, places).await,
        written: if write && there { Some(write_all(client, places).await) } else { None },
    }
}

async fn closed(client: &Client, bucket: &str) -> Answer<bool> {
    match client.get_public_access_block().bucket(bucket).send().await {
        Ok(answer) => {
            let blocks = answer.public_access_block_configuration.map(|block| {
                [
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                ]
            });
            Ok(blocks.is_some_and(|blocks| blocks.into_iter().all(|block| block == Some(true))))
        }
        Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// An object that is not there may be read as well as any other, by who may also list.
async fn get(client: &Client, places: &Places) -> Answer<()> {
    match client.get_object().bucket(&places.bucket).key(trial_key(places)).send().await {
        Err(error) if error.code() != Some("NoSuchKey") => Err(error.into()),
        _ => Ok(()),
    }
}

fn trial_key(places: &Places) -> String {
    places.key(&format!("doctor-{}", std::process::id()))
}

/// Puts an object if it is not there, again, and deletes it; each is tried whatever the one before gave.
async fn write_all(client: &Client, places: &Places) -> Written {
    let (bucket, key) = (&places.bucket, trial_key(places));
    let put = put_twice(client, bucket, &key).await;
    let deleted = client.delete_object().bucket(bucket).key(&key).send().await;
    let abort = client.abort_multipart_upload().bucket(bucket).key(&key).upload_id(NO_UPLOAD);
    let aborted = match abort.send().await {
        // The permission is looked at before the upload.
        Err(error) if error.code() != Some("NoSuchUpload") => Err(error.into()),
        _ => Ok(()),
    };
    // A server of one's own may take an id that it cannot read amiss: that says nothing of permissions.
    let aborted = aborted.or_else(|refusal: Refusal| if refusal.kind == Kind::Denied { Err(refusal) } else { Ok(()) });
    Written { put, deleted: deleted.map(|_| ()).map_err(Refusal::from), aborted }
}

async fn put_twice(client: &Client, bucket: &str, key: &str) -> Answer<Conditional> {
    let put = || {
        let put = client.put_object().bucket(bucket).key(key).if_none_match("*");
        put.body(ByteStream::from_static(b"cloudping doctor --write: may be deleted")).send()
    };
    put().await.map_err(Refusal::from)?;
    match put().await {
        Ok(_) => Ok(Conditional::Overwrote),
        Err(error) if error.code() == Some("PreconditionFailed") => Ok(Conditional::Refused),
        Err(error) => Err(Refusal::from(error)),
    }
}

/// What to think of it.
pub fn judge(places: &Places, facts: &BucketFacts, arns: &Arns) -> Vec<Finding> {
    let bucket = &places.bucket;
    let on = format!("bucket {bucket}");
    let call = |check, action| Call { check, action, on: &on, make: MAKE, arns };
    let mut findings = vec![match &facts.head {
        Ok(region) => judge_region(bucket, region.as_deref(), facts.region.as_deref()),
        Err(refusal) => call("bucket", "s3:ListBucket").refused(refusal),
    }];
    if facts.head.as_ref().is_err_and(Refusal::is_absence) {
        return findings;
    }
    let reads: [Tried; 2] = [("s3:ListBucket", facts.listed.clone()), ("s3:GetObject", facts.got.clone())];
    findings
        .extend(call("bucket reads", "").tried(&reads, &format!("{} can be listed and read", places.archive_url())));
    findings.extend(match &facts.written {
        None => {
            vec![Finding::warn("bucket writes", "not tried", "--write tries, with an object that it deletes again")]
        }
        Some(written) => judge_writes(written, &call("bucket writes", "s3:PutObject")),
    });
    findings.push(judge_closed(bucket, &facts.closed, call("bucket privacy", "s3:GetBucketPublicAccessBlock")));
    findings
}

fn judge_writes(written: &Written, call: &Call<'_>) -> Vec<Finding> {
    if matches!(written.put, Ok(Conditional::Overwrote)) {
        return vec![Finding::fail(
            call.check,
            "a put of an absent object took the place of one that was there: two archivers would lose each other's commits",
            "keep the archive on S3, or on a server with If-None-Match",
        )];
    }
    let tried: [Tried; 3] = [
        ("s3:PutObject", written.put.clone().map(|_| ())),
        ("s3:DeleteObject", written.deleted.clone()),
        ("s3:AbortMultipartUpload", written.aborted.clone()),
    ];
    call.tried(&tried, "of two puts of one absent object the second was refused, as commits need it")
}

fn judge_region(bucket: &str, theirs: Option<&str>, ours: Option<&str>) -> Finding {
    const CHECK: &str = "bucket";
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs != ours => Finding::warn(
            CHECK,
            format!("{bucket} is in {theirs}, and this is {ours}: every byte between them is slow, and paid for"),
            "choose a bucket of this region with --bucket",
        ),
        (Some(theirs), _) => Finding::ok(CHECK, format!("{bucket} is in {theirs}")),
        (None, _) => Finding::ok(CHECK, format!("{bucket} is there")),
    }
}

fn judge_closed(bucket: &str, closed: &Answer<bool>, call: Call<'_>) -> Finding {
    let next = format!(
        "`aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`"
    );
    match closed {
        Ok(true) => Finding::ok(call.check, "closed to the public"),
        Ok(false) => Finding::warn(call.check, "not everything public is blocked", next),
        Err(refusal @ Refusal { kind: Kind::Denied, .. }) => call.refused(refusal).lenient(),
        Err(refusal) => call.refused(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{arns, refusal};
    use super::*;
    use cloudping_agent::checks::finding::Status;

    fn places() -> Places {
        let name = str::to_owned;
        Places { stream: name("events"), table: name("live"), bucket: name("archive"), prefix: name("a") }
    }

    fn facts() -> BucketFacts {
        BucketFacts {
            head: Ok(Some("eu-west-1".to_owned())),
            region: Some("eu-west-1".to_owned()),
            closed: Ok(true),
            listed: Ok(()),
            got: Ok(()),
            written: Some(written(Ok(Conditional::Refused))),
        }
    }

    fn written(put: Answer<Conditional>) -> Written {
        Written { put, deleted: Ok(()), aborted: Ok(()) }
    }

    fn not_ok(facts: &BucketFacts) -> Vec<(&'static str, Status, String)> {
        let judged = judge(&places(), facts, &arns()).into_iter().filter(|finding| finding.status != Status::Ok);
        judged.map(|finding| (finding.check, finding.status, finding.next.unwrap())).collect()
    }

    fn only(facts: &BucketFacts) -> (&'static str, Status, String) {
        let [one] = <[_; 1]>::try_from(not_ok(facts)).unwrap();
        one
    }

    #[test]
    fn a_bucket_that_is_well_and_one_that_is_not_there() {
        assert_eq!(not_ok(&facts()), []);
        assert_eq!(not_ok(&BucketFacts { head: Ok(None), ..facts() }), []);
        let (check, status, next) = only(&BucketFacts { written: None, ..facts() });
        assert!(check == "bucket writes" && status == Status::Warn && next.contains("--write"), "{next}");
        let (check, status, next) = only(&BucketFacts { head: Err(refusal(Kind::NotThere)), ..facts() });
        assert!(check == "bucket" && status == Status::Fail && next.contains("--create"), "{next}");
    }

    #[test]
    fn puts_that_overwrite_fail_and_an_open_or_far_bucket_warns() {
        let (check, status, _) = only(&BucketFacts { written: Some(written(Ok(Conditional::Overwrote))), ..facts() });
        assert_eq!((check, status), ("bucket writes", Status::Fail));
        let (check, status, next) = only(&BucketFacts { closed: Ok(false), ..facts() });
        assert!(check == "bucket privacy" && status == Status::Warn && next.contains("put-public-access-block"));
        let (check, status, _) = only(&BucketFacts { region: Some("us-east-1".to_owned()), ..facts() });
        assert_eq!((check, status), ("bucket", Status::Warn));
        let (_, status, _) = only(&BucketFacts { closed: Err(refusal(Kind::Unknown)), ..facts() });
        assert_eq!(status, Status::Warn);
    }

    #[test]
    fn each_permission_is_named() {
        let denied = || refusal(Kind::Denied);
        let (_, status, next) = only(&BucketFacts { listed: Err(denied()), ..facts() });
        assert!(status == Status::Fail && next.contains("s3:ListBucket"), "{next}");
        let (_, status, next) = only(&BucketFacts { got: Err(denied()), ..facts() });
        assert!(status == Status::Fail && next.contains("s3:GetObject"), "{next}");
        let none = Written { put: Err(denied()), deleted: Err(denied()), aborted: Err(denied()) };
        let named = not_ok(&BucketFacts { written: Some(none), ..facts() });
        let named: Vec<&str> = named.iter().map(|(_, _, next)| next.split(' ').nth(1).unwrap()).collect();
        assert_eq!(named, ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]);
        let (_, status, _) = only(&BucketFacts { closed: Err(denied()), ..facts() });
        assert_eq!(status, Status::Warn);
    }
}
