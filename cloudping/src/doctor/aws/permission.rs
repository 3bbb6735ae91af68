//! What cloudping asks of AWS, call by call: on what, and by which of its parts for what. From a refused call it makes the permission that is
//! missing.

use cloudping_agent::checks::finding::{Permission, Statement};

use crate::aws::Places;

/// What a permission is given on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Stream,
    Table,
    Bucket,
    /// What is in the bucket's folder.
    Objects,
}

/// A call that some part makes.
struct Need {
    /// As IAM names it.
    action: &'static str,
    on: On,
    /// Who makes it, and for what.
    purpose: &'static str,
}

const fn need(action: &'static str, on: On, purpose: &'static str) -> Need {
    Need { action, on, purpose }
}

const READS: &str = "the stream processor and the archive read the rounds by it";
const COMMITS: &str =
    "the stream processor, alerts, keys and leases commit by it; a transaction is allowed by its parts";
const ARCHIVES: &str = "the archive writes its tables by it, and removes what was replaced";
const DOCTORS: &str = "only `cloudping doctor` asks it";
const CREATES: &str = "only `cloudping up --aws --create` does it";

/// Every call of the deployed programs (those of `cdk/lib/permissions.ts`, which a test holds against their code), and those of `doctor`
/// and `--create`.
const NEEDS: [Need; 23] = [
    need(
        "kinesis:PutRecords",
        On::Stream,
        "producers and the ingest door append rounds by it, and the stream processor the route changes that it finds",
    ),
    need("kinesis:ListShards", On::Stream, READS),
    need("kinesis:GetShardIterator", On::Stream, READS),
    need("kinesis:GetRecords", On::Stream, READS),
    need("kinesis:DescribeStreamSummary", On::Stream, "`up --aws` sees by it whether the stream is there and ready"),
    need("kinesis:CreateStream", On::Stream, CREATES),
    need("dynamodb:GetItem", On::Table, "whoever uses the live store reads single items by it"),
    need("dynamodb:Query", On::Table, "the query service reads what changed by it, and the stream processor its state"),
    need("dynamodb:PutItem", On::Table, COMMITS),
    need("dynamodb:DeleteItem", On::Table, COMMITS),
    need("dynamodb:ConditionCheckItem", On::Table, COMMITS),
    need("dynamodb:DescribeTable", On::Table, "`up --aws` sees by it whether the table is there and ready"),
    need("dynamodb:DescribeTimeToLive", On::Table, DOCTORS),
    need("dynamodb:DescribeContinuousBackups", On::Table, DOCTORS),
    need("dynamodb:CreateTable", On::Table, CREATES),
    need("dynamodb:UpdateTimeToLive", On::Table, CREATES),
    need(
        "s3:ListBucket",
        On::Bucket,
        "the archive and the query service list the tables' logs by it, and without it S3 says of a missing object that it is forbidden",
    ),
    need("s3:GetObject", On::Objects, "the archive and the query service read the tables by it"),
    need("s3:PutObject", On::Objects, ARCHIVES),
    need("s3:DeleteObject", On::Objects, ARCHIVES),
    need("s3:AbortMultipartUpload", On::Objects, "the archive breaks off by it what it could not upload whole"),
    need("s3:GetBucketPublicAccessBlock", On::Bucket, DOCTORS),
    need("s3:CreateBucket", On::Bucket, CREATES),
];

/// The names by which IAM knows the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arns {
    stream: String,
    table: String,
    bucket: String,
    objects: String,
}

impl Arns {
    /// Of these places in a region. The account is that of `identity`, the caller's ARN; `*`, where that is not known.
    pub fn new(places: &Places, region: &str, identity: Option<&str>) -> Self {
        let mut parts = identity.unwrap_or_default().split(':').skip(1);
        let partition = parts.next().filter(|partition| !partition.is_empty()).unwrap_or_else(|| partition(region));
        let account = parts.nth(2).filter(|account| !account.is_empty()).unwrap_or("*");
        let bucket = format!("arn:{partition}:s3:::{}", places.bucket);
        Self {
            stream: format!("arn:{partition}:kinesis:{region}:{account}:stream/{}", places.stream),
            table: format!("arn:{partition}:dynamodb:{region}:{account}:table/{}", places.table),
            objects: format!("{bucket}/{}", places.key("*")),
            bucket,
        }
    }

    fn of(&self, on: On) -> &str {
        match on {
            On::Stream => &self.stream,
            On::Table => &self.table,
            On::Bucket => &self.bucket,
            On::Objects => &self.objects,
        }
    }
}

/// The partition of a region, which its name begins with.
fn partition(region: &str) -> &'static str {
    const OTHERS: [(&str, &str); 6] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    OTHERS.iter().find(|(start, _)| region.starts_with(start)).map_or("aws", |(_, partition)| partition)
}

/// What AWS says of a refused call: `User: U is not authorized to perform: A on resource: R because B`. Older answers say less.
#[derive(Debug, Default, PartialEq, Eq)]
struct Denial<'a> {
    action: Option<&'a str>,
    resource: Option<&'a str>,
    because: Option<&'a str>,
}

impl<'a> Denial<'a> {
    fn read(said: &'a str) -> Self {
        let after = |mark: &str| said.split_once(mark).map(|(_, rest)| rest);
        let word = |rest: &'a str| rest.split_whitespace().next().map(|word| word.trim_matches(['"', '.', ',']));
        Self {
            action: after("is not authorized to perform: ").and_then(word),
            resource: after(" on resource: ").and_then(word).filter(|word| word.starts_with("arn:")),
            because: after(" because ").or_else(|| after(" with ")).map(|rest| rest.trim_end_matches('.')),
        }
    }
}

/// What is missing for a call of `action` that was refused with these words. The words are believed before the call: a transaction is refused
/// for one of its parts, and a read for the key that the data is encrypted with.
pub fn missing(action: &str, said: &str, arns: &Arns) -> Permission {
    let denial = Denial::read(said);
    let action = denial.action.filter(|action| action.contains(':')).unwrap_or(action);
    let need = NEEDS.iter().find(|need| need.action == action);
    // What the answer names may be one object of many, or one index of a table.
    let resource = match (need, denial.resource) {
        (Some(need), _) => arns.of(need.on),
        (None, Some(named)) => named,
        (None, None) => "*",
    };
    let purpose = match need {
        Some(need) => need.purpose,
        None if action.starts_with("kms:") => "what is kept there is encrypted with this key",
        None => "what was refused asks for it",
    };
    let because = denial.because.map(str::to_owned);
    let denied_by_policy = because.as_deref().is_some_and(|because| because.contains("explicit deny"));
    let (action, resource) = (action.to_owned(), resource.to_owned());
    let statement = Statement { effect: "Allow", action: vec![action.clone()], resource: resource.clone() };
    Permission {
        action,
        resource,
        purpose: purpose.to_owned(),
        because,
        statement: (!denied_by_policy).then_some(statement),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn places() -> Places {
        let name = str::to_owned;
        Places { stream: name("events"), table: name("live"), bucket: name("archive"), prefix: name("tables") }
    }

    fn arns() -> Arns {
        Arns::new(&places(), "eu-west-1", Some("arn:aws:iam::123456789012:user/u"))
    }

    #[test]
    fn arns_have_the_partition_and_account_of_the_caller_or_those_of_the_region() {
        let own = arns();
        assert_eq!(own.stream, "arn:aws:kinesis:eu-west-1:123456789012:stream/events");
        assert_eq!((&*own.bucket, &*own.objects), ("arn:aws:s3:::archive", "arn:aws:s3:::archive/tables/*"));
        let role = Arns::new(&places(), "us-gov-west-1", Some("arn:aws-us-gov:sts::1:assumed-role/r/s"));
        assert_eq!(role.table, "arn:aws-us-gov:dynamodb:us-gov-west-1:1:table/live");
        for (region, partition) in [("cn-north-1", "aws-cn"), ("eusc-de-east-1", "aws-eusc"), ("eu-west-1", "aws")] {
            let unknown = Arns::new(&places(), region, None);
            assert_eq!(unknown.stream, format!("arn:{partition}:kinesis:{region}:*:stream/events"));
        }
        let root = Arns::new(&Places { prefix: String::new(), ..places() }, "eu-west-1", None);
        assert_eq!(root.objects, "arn:aws:s3:::archive/*");
    }

    #[test]
    fn the_words_of_the_answer_name_what_is_missing() {
        let said = "AccessDeniedException: User: arn:aws:iam::123456789012:user/u is not authorized to perform: \
                    dynamodb:ConditionCheckItem on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/live because no \
                    identity-based policy allows the dynamodb:ConditionCheckItem action";
        let found = missing("dynamodb:PutItem", said, &arns());
        assert_eq!(found.action, "dynamodb:ConditionCheckItem");
        assert_eq!(found.resource, "arn:aws:dynamodb:eu-west-1:123456789012:table/live");
        assert!(found.because.unwrap().starts_with("no identity-based policy allows"));
        assert_eq!(found.statement.unwrap().action, ["dynamodb:ConditionCheckItem"]);
        // S3 names the object in quotes; what is missing is a permission on the folder.
        let said = "AccessDenied: User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:GetObject on resource: \
                    \"arn:aws:s3:::archive/tables/doctor-7\" because no session policy allows the s3:GetObject action";
        assert_eq!(missing("s3:GetObject", said, &arns()).resource, "arn:aws:s3:::archive/tables/*");
        let terse = missing("s3:PutObject", "AccessDenied: Access Denied", &arns());
        assert_eq!((&*terse.action, &*terse.resource), ("s3:PutObject", "arn:aws:s3:::archive/tables/*"));
    }

    #[test]
    fn the_key_of_what_is_encrypted_is_named() {
        let key = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";
        let said = format!(
            "AccessDenied: User: u is not authorized to perform: kms:GenerateDataKey on resource: {key} because no \
             identity-based policy allows the kms:GenerateDataKey action"
        );
        let found = missing("s3:PutObject", &said, &arns());
        assert_eq!((&*found.action, &*found.resource), ("kms:GenerateDataKey", key));
        assert!(found.purpose.contains("encrypted"));
    }

    #[test]
    fn against_an_explicit_deny_no_statement_helps() {
        let said = "AccessDeniedException: User: u is not authorized to perform: kinesis:PutRecords on resource: \
                    arn:aws:kinesis:eu-west-1:1:stream/events with an explicit deny in a service control policy";
        let found = missing("kinesis:PutRecords", said, &arns());
        assert_eq!(found.because.as_deref(), Some("an explicit deny in a service control policy"));
        assert!(found.statement.is_none());
    }

    #[test]
    fn every_permission_of_the_deployment_is_known_here() {
        let deployed = include_str!("../../../../cdk/lib/permissions.ts");
        let known: BTreeSet<&str> = NEEDS.iter().map(|need| need.action).collect();
        assert_eq!(known.len(), NEEDS.len());
        let of = |service| deployed.match_indices(service).filter_map(|(at, _)| deployed[at + 1..].split('\'').next());
        let actions: BTreeSet<&str> = ["'kinesis:", "'dynamodb:", "'s3:"].into_iter().flat_map(of).collect();
        assert!(actions.contains("kinesis:PutRecords") && actions.contains("s3:AbortMultipartUpload"), "{actions:?}");
        // Lambda describes the stream for its event source; no code of ours does.
        let unknown: Vec<&&str> =
            actions.difference(&known).filter(|action| **action != "kinesis:DescribeStream").collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
