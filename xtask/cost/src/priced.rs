//! What each resource of a template costs: the types that are paid for, and those that are not.

use serde_json::Value;

use crate::assumptions as assumed;
use crate::assumptions::{Deployment, MONTH_HOURS, MONTH_S};
use crate::bill::{Basis, BillError, Quantity};
use crate::simulate::Counted;
use crate::templates::Resource;

const GB: f64 = 1e9;
/// PUT payload units are of 25 KB.
const PUT_UNIT_BYTES: f64 = 25_600.0;

/// Types without a price of their own: permissions and networks, what is paid for by what it is a part of, and what costs cents by its use here
/// (queues, topics, catalogues, Athena without queries, schedules, budgets without actions).
const FREE: [&str; 40] = [
    "AWS::Athena::NamedQuery",
    "AWS::Athena::WorkGroup",
    "AWS::Budgets::Budget",
    "AWS::CDK::Metadata",
    "AWS::CloudFront::VpcOrigin",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::Events::Rule",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Logs::LogGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
    "Custom::",
];

/// What resources are priced with.
pub struct Usage<'a> {
    /// How much is done.
    pub deployment: &'a Deployment,
    /// What that asks the live store for.
    pub counted: &'a Counted,
    /// All resources: some say what another one is made of.
    pub all: &'a [Resource],
}

/// The quantities of one resource.
///
/// # Errors
/// When its type is not known here, or it lacks what decides its price.
pub fn quantities(resource: &Resource, usage: &Usage<'_>) -> Result<Vec<Quantity>, BillError> {
    let hours = |what, price| vec![Quantity::new(what, price, MONTH_HOURS, Basis::Given)];
    Ok(match resource.kind.as_str() {
        "AWS::Kinesis::Stream" => stream(resource, usage)?,
        "AWS::DynamoDB::Table" => table(resource, usage)?,
        "AWS::Lambda::Function" => function(resource, usage)?,
        "AWS::EC2::Instance" => instance(resource)?,
        "AWS::EC2::VPCEndpoint" => match resource.at("/VpcEndpointType").and_then(Value::as_str) {
            Some("Interface") => hours("interface endpoints", "interface-endpoint-hour"),
            _ => Vec::new(),
        },
        "AWS::EC2::FlowLog" => {
            vec![Quantity::new("logs: refused packets", "logs-ingested", assumed::FLOW_LOG_GB, Basis::Assumed)]
        }
        "AWS::ECS::Cluster" => insights(resource),
        "AWS::ECS::Service" => service(resource, usage)?,
        "AWS::ECS::TaskDefinition" => scheduled_task(resource, usage)?,
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => {
            let units = Quantity::new(
                "load balancer: capacity units",
                "load-balancer-unit-hour",
                MONTH_HOURS * assumed::BALANCER_UNITS,
                Basis::Assumed,
            );
            [hours("load balancer", "load-balancer-hour"), vec![units]].concat()
        }
        "AWS::CloudFront::Distribution" => vec![
            Quantity::new("edge: requests", "edge-request", assumed::REQUESTS, Basis::Assumed),
            Quantity::new("edge: answers", "edge-transfer", assumed::ANSWERED_GB, Basis::Assumed),
        ],
        "AWS::WAFv2::WebACL" => firewall(resource),
        "AWS::CloudWatch::Alarm" => vec![Quantity::new("alarms", "alarm", 1.0, Basis::Given)],
        "AWS::CloudWatch::Dashboard" => vec![Quantity::new("dashboard", "dashboard", 1.0, Basis::Given)],
        "AWS::S3::Bucket" => bucket(resource, usage),
        kind if FREE.iter().any(|free| kind == *free || (free.ends_with("::") && kind.starts_with(free))) => Vec::new(),
        kind => {
            return Err(BillError::Unknown {
                stack: resource.stack.clone(),
                id: resource.id.clone(),
                kind: kind.to_owned(),
            });
        }
    })
}

fn stream(stream: &Resource, Usage { deployment, counted, .. }: &Usage<'_>) -> Result<Vec<Quantity>, BillError> {
    let shards = stream.number("/ShardCount")? * MONTH_HOURS;
    let units = deployment.rounds() * (counted.round_bytes / PUT_UNIT_BYTES).ceil();
    // The region in which the log is sends nothing across.
    let abroad = f64::from(deployment.regions - 1) / f64::from(deployment.regions);
    let appended = deployment.rounds() * abroad * (counted.round_bytes + assumed::APPEND_BYTES) / GB;
    let mut lines = vec![
        Quantity::new("event log: shards", "kinesis-shard-hour", shards, Basis::Given),
        Quantity::new("event log: rounds put", "kinesis-put-unit", units, Basis::Counted),
        Quantity::new("rounds on their way to the log's region", "transfer-between-regions", appended, Basis::Assumed),
    ];
    if stream.number("/RetentionPeriodHours")? > 24.0 {
        lines.push(Quantity::new("event log: kept longer than a day", "kinesis-extended-hour", shards, Basis::Given));
    }
    if stream.at("/StreamEncryption").is_some() {
        // The producers, the processor and the archiver.
        let asked = f64::from(deployment.regions + 2) * MONTH_S / assumed::KEY_EVERY_S;
        lines.push(Quantity::new("event log: its key", "kms-request", asked, Basis::Assumed));
    }
    Ok(lines)
}

fn table(table: &Resource, Usage { deployment, counted, .. }: &Usage<'_>) -> Result<Vec<Quantity>, BillError> {
    let stored = f64::from(deployment.regions) * counted.stored_bytes / GB;
    let mut lines =
        vec![Quantity::new("live store: storage, after a year", "dynamodb-storage", stored, Basis::Counted)];
    if table.at("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled") == Some(&Value::Bool(true)) {
        lines.push(Quantity::new("live store: recovery", "dynamodb-recovery", stored, Basis::Counted));
    }
    if table.at("/BillingMode").and_then(Value::as_str) == Some("PAY_PER_REQUEST") {
        lines.push(Quantity::new(
            "live store: writes",
            "dynamodb-write-unit",
            counted.writes(deployment),
            Basis::Counted,
        ));
        lines.push(Quantity::new("live store: reads", "dynamodb-read-unit", counted.reads(deployment), Basis::Counted));
        return Ok(lines);
    }
    for (what, price, path, used) in [
        (
            "live store: write capacity",
            "dynamodb-write-capacity-hour",
            "/ProvisionedThroughput/WriteCapacityUnits",
            counted.writes(deployment),
        ),
        (
            "live store: read capacity",
            "dynamodb-read-capacity-hour",
            "/ProvisionedThroughput/ReadCapacityUnits",
            counted.reads(deployment),
        ),
    ] {
        let units = table.number(path)?;
        if used / MONTH_S > units {
            return Err(BillError::Capacity { what, units, used: used / MONTH_S });
        }
        lines.push(Quantity::new(what, price, units * MONTH_HOURS, Basis::Given));
    }
    Ok(lines)
}

/// Metrics of a function that CloudWatch makes unless it was told not to: those that docs/metrics.md marks.
const METRICS: [(&str, f64); 4] =
    [("producer", 3.0), ("stream-processor", 4.0), ("batch-rollup", 4.0), ("ingest-door", 3.0)];

fn function(function: &Resource, Usage { deployment, .. }: &Usage<'_>) -> Result<Vec<Quantity>, BillError> {
    // Those of the CDK's own resources run when a stack is deployed and not again.
    let Ok(name) = function.text("/FunctionName") else { return Ok(Vec::new()) };
    let Some((program, metrics)) = METRICS.into_iter().find(|(program, _)| name.ends_with(&format!("-{program}")))
    else {
        return Err(BillError::Function { stack: function.stack.clone(), name: name.to_owned() });
    };
    let (label, invocations, seconds) = match program {
        "producer" => ("producers", assumed::PRODUCER_INVOCATIONS, deployment.producer_s()),
        "stream-processor" => ("processor", deployment.batches(), assumed::PROCESSOR_S),
        "batch-rollup" => ("archiver", deployment.archive_runs(), assumed::ARCHIVER_S),
        _ => ("ingest door", assumed::DOOR_REQUESTS, assumed::DOOR_S),
    };
    let run = invocations * seconds * function.number("/MemorySize")? / 1024.0;
    let price = format!("lambda-gb-second-{}", function.text("/Architectures/0")?);
    let logged = invocations * assumed::INVOCATION_LOG_BYTES / GB;
    let mut lines = vec![
        Quantity::new(format!("{label}: run time"), price, run, Basis::Assumed),
        Quantity::new(format!("{label}: requests"), "lambda-request", invocations, Basis::Given),
        Quantity::new("logs of functions", "logs-ingested", logged, Basis::Assumed),
    ];
    if function.at("/Environment/Variables/CLOUDPING_METRICS").and_then(Value::as_str) != Some("off") {
        lines.push(Quantity::new("metrics", "metric", metrics, Basis::Given));
    }
    if program == "producer" {
        let probed = deployment.all_probes() / f64::from(deployment.regions) * assumed::PROBE_BYTES / GB;
        lines.push(Quantity::new("probes leaving their region", "transfer-between-regions", probed, Basis::Assumed));
    }
    Ok(lines)
}

fn instance(instance: &Resource) -> Result<Vec<Quantity>, BillError> {
    let price = format!("ec2-{}-hour", instance.text("/InstanceType")?.replace('.', "-"));
    let volume = instance.number("/BlockDeviceMappings/0/Ebs/VolumeSize")?;
    Ok(vec![
        Quantity::new("query service: instance", price, MONTH_HOURS, Basis::Given),
        Quantity::new("query service: volume", "ebs-gp3-gb", volume, Basis::Given),
    ])
}

fn insights(cluster: &Resource) -> Vec<Quantity> {
    let on = cluster.at("/ClusterSettings/0/Value").and_then(Value::as_str).is_some_and(|value| value != "disabled");
    let metrics = Quantity::new("container insights", "metric", assumed::INSIGHT_METRICS, Basis::Assumed);
    if on { vec![metrics] } else { Vec::new() }
}

fn service(service: &Resource, usage: &Usage<'_>) -> Result<Vec<Quantity>, BillError> {
    let tasks = service.number("/DesiredCount")?;
    let definition = service.text("/TaskDefinition/Ref")?;
    let found = usage.all.iter().find(|one| one.stack == service.stack && one.id == definition);
    let definition =
        found.ok_or_else(|| BillError::Task { stack: service.stack.clone(), id: definition.to_owned() })?;
    let mut lines = task("query service", definition, tasks * MONTH_HOURS)?;
    lines.push(Quantity::new("logs of containers", "logs-ingested", assumed::SERVICE_LOG_GB, Basis::Assumed));
    let public = service.at("/NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp").and_then(Value::as_str);
    if public == Some("ENABLED") {
        lines.push(Quantity::new("query service: addresses", "public-address-hour", tasks * MONTH_HOURS, Basis::Given));
    }
    Ok(lines)
}

/// A task that a schedule starts; those of services are priced with them.
fn scheduled_task(definition: &Resource, usage: &Usage<'_>) -> Result<Vec<Quantity>, BillError> {
    let of_service = |one: &&Resource| {
        let task = one.at("/TaskDefinition/Ref").and_then(Value::as_str);
        one.kind == "AWS::ECS::Service" && one.stack == definition.stack && task == Some(&definition.id)
    };
    match usage.all.iter().find(of_service) {
        Some(_) => Ok(Vec::new()),
        None => task("upkeep", definition, assumed::UPKEEP_HOURS),
    }
}

fn task(label: &str, definition: &Resource, hours: f64) -> Result<Vec<Quantity>, BillError> {
    let architecture = definition.text("/RuntimePlatform/CpuArchitecture")?.to_lowercase();
    let (cpu, memory) = (definition.number("/Cpu")? / 1024.0, definition.number("/Memory")? / 1024.0);
    let basis = if label == "upkeep" { Basis::Assumed } else { Basis::Given };
    Ok(vec![
        Quantity::new(format!("{label}: processors"), format!("fargate-vcpu-hour-{architecture}"), cpu * hours, basis),
        Quantity::new(format!("{label}: memory"), format!("fargate-gb-hour-{architecture}"), memory * hours, basis),
    ])
}

fn firewall(firewall: &Resource) -> Vec<Quantity> {
    let rules = firewall.at("/Rules").and_then(Value::as_array).map_or(0, Vec::len) as f64;
    vec![
        Quantity::new("firewall", "firewall", 1.0, Basis::Given),
        Quantity::new("firewall: rules", "firewall-rule", rules, Basis::Given),
        Quantity::new("firewall: requests", "firewall-request", assumed::REQUESTS, Basis::Assumed),
    ]
}

/// The archive is the bucket that keeps versions.
fn bucket(bucket: &Resource, Usage { deployment, .. }: &Usage<'_>) -> Vec<Quantity> {
    if bucket.at("/VersioningConfiguration").is_none() {
        return vec![Quantity::new("other buckets: storage", "s3-storage", assumed::OTHER_BUCKET_GB, Basis::Assumed)];
    }
    let samples = deployment.all_probes() * assumed::SAMPLE_BYTES * assumed::MONTHS_KEPT / GB;
    let runs = deployment.archive_runs();
    vec![
        Quantity::new("archive: storage, after a year", "s3-storage", samples, Basis::Assumed),
        Quantity::new("archive: writes", "s3-put", runs * assumed::ARCHIVER_PUTS, Basis::Assumed),
        Quantity::new("archive: reads", "s3-get", runs * assumed::ARCHIVER_GETS, Basis::Assumed),
    ]
}
