"""Deploys the synthesised templates to a local AWS server, asks each service what is there, changes a setting, and deletes it all.

python deployed.py TEMPLATES CHANGED_TEMPLATES, two folders that `cdk synth` wrote, the second with other settings (`check_changed` says which).
The server is ministack (MINISTACK names its program): no more is shown than that the templates hang together and that the resources in them
can be made, changed and deleted by an implementation of CloudFormation that is not AWS's.
"""

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from functools import cache
from pathlib import Path

from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.session import get_session

ACCOUNT = "000000000000"
# What the server does not know, by type: taken out of the templates, with the outputs that name it.
UNKNOWN = {
    "AWS::Athena::NamedQuery",
    "AWS::Budgets::Budget",
    "AWS::CloudFront::VpcOrigin",
    "AWS::EC2::FlowLog",
    "AWS::EC2::Instance",
}


def main(first: Path, second: Path) -> None:
    with Server() as server:
        deployment = Deployment(server, first)
        deployment.bootstrap()
        for stack in deployment.stacks:
            deployment.deploy(stack)
        deployment.check_resources()
        changed = Deployment(server, second)
        for stack in changed.stacks:
            changed.deploy(stack)
        changed.check_changed()
        for stack in reversed(changed.stacks):
            changed.delete(stack)
        changed.check_gone()
        print(f"{len(deployment.stacks)} stacks were made, changed and deleted; not deployed: {', '.join(sorted(deployment.skipped))}")


class Server:
    """ministack on a port of its own, with nothing in it."""

    def __enter__(self):
        self.session = get_session()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "IOT_MTLS_ENABLED": "0"}
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([os.environ["MINISTACK"]], env=environment, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.client("sts", "us-east-1").get_caller_identity()
                return self
            except EndpointConnectionError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        Path(tempfile.gettempdir(), f"ministack-{self.port}.pid").unlink(missing_ok=True)

    @cache
    def client(self, service, region, account=ACCOUNT):
        return self.session.create_client(
            service,
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=account,
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )


class Known:
    """What of templates the server knows, stack by stack in the order of their dependencies."""

    def __init__(self):
        self.skipped, self.missing = set(), set()

    def of(self, template):
        """The template without what the server does not know, and without what names that."""
        resources = template["Resources"]
        gone = {name for name, resource in resources.items() if resource["Type"] in UNKNOWN}
        self.skipped |= {resources[name]["Type"] for name in gone}
        while True:
            names = {f'"Ref": "{name}"' for name in gone} | {f'"Fn::GetAtt": ["{name}"' for name in gone}
            names |= {f'"Fn::ImportValue": "{name}"' for name in self.missing}
            more = {n for n, r in resources.items() if n not in gone and any(name in json.dumps(r) for name in names)}
            if not more:
                break
            gone |= more
            self.skipped |= {resources[name]["Type"] for name in more}
        for name in gone:
            del resources[name]
        for resource in resources.values():
            if isinstance(resource.get("DependsOn"), list):
                resource["DependsOn"] = [name for name in resource["DependsOn"] if name not in gone]
        outputs = template.get("Outputs", {})
        left = {n: o for n, o in outputs.items() if not any(name in json.dumps(o) for name in names)}
        self.missing |= {o["Export"]["Name"] for n, o in outputs.items() if n not in left and "Export" in o}
        template["Outputs"] = left
        return template


class Deployment:
    """The stacks of one synthesis, in an order in which each comes behind those that it depends on."""

    def __init__(self, server, folder):
        self.server, self.folder, known = server, folder, Known()
        self.skipped = known.skipped
        manifest = json.loads((folder / "manifest.json").read_text())["artifacts"]
        found = {name: artifact for name, artifact in manifest.items() if artifact["type"] == "aws:cloudformation:stack"}
        self.stacks, self.region, self.templates = [], {}, {}

        def visit(name):
            if name in self.stacks or name not in found:
                return
            for before in found[name].get("dependencies", []):
                visit(before)
            self.stacks.append(name)
            self.region[name] = found[name]["environment"].rsplit("/", 1)[1]
            self.templates[name] = known.of(json.loads((folder / f"{name}.template.json").read_text()))

        for name in found:
            visit(name)

    def bootstrap(self):
        """What `cdk bootstrap` leaves behind and templates ask for: its version, and the bucket of assets with those of this synthesis."""
        for region in set(self.region.values()):
            client = self.server.client("ssm", region)
            client.put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
            s3 = self.server.client("s3", region)
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{region}", **where)
        for listing in self.folder.glob("*.assets.json"):
            for file in json.loads(listing.read_text())["files"].values():
                self.upload(file)

    def upload(self, file):
        path = self.folder / file["source"]["path"]
        body = path.read_bytes() if file["source"]["packaging"] == "file" else zipped(path)
        for place in file["destinations"].values():
            s3 = self.server.client("s3", place["region"])
            s3.put_object(Bucket=place["bucketName"], Key=place["objectKey"], Body=body)

    def deploy(self, name):
        client = self.server.client("cloudformation", self.region[name])
        body = {"StackName": name, "TemplateBody": json.dumps(self.templates[name]), "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        try:
            client.create_stack(**body, OnFailure="DO_NOTHING")
        except ClientError as error:
            if error.response["Error"]["Code"] != "AlreadyExistsException":
                raise
            try:
                client.update_stack(**body)
            except ClientError as error:
                if "No updates" not in str(error):
                    raise
                return
        self.settle(client, name, name, {"CREATE_COMPLETE", "UPDATE_COMPLETE"})

    def delete(self, name):
        client = self.server.client("cloudformation", self.region[name])
        client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
        stack_id = client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        client.delete_stack(StackName=name)
        # A stack that is gone answers to its id only.
        self.settle(client, name, stack_id, {"DELETE_COMPLETE"})

    def settle(self, client, name, stack_id, wanted):
        deadline = time.monotonic() + 60
        while True:
            status = client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            if status in wanted:
                print(f"{name}: {status}")
                return
            if status.endswith("_FAILED") or "ROLLBACK" in status or time.monotonic() > deadline:
                events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
                said = [f"{e['LogicalResourceId']} ({e['ResourceType']}): {e.get('ResourceStatusReason')}" for e in events if "FAILED" in e["ResourceStatus"]]
                raise AssertionError(f"{name}: {status}, expected {wanted}\n" + "\n".join(said))
            time.sleep(0.2)

    def resources(self, kind):
        """Names that CloudFormation gave to the resources of a type, with their regions."""
        found = []
        for name in self.stacks:
            client = self.server.client("cloudformation", self.region[name])
            summaries = client.describe_stack_resources(StackName=name)["StackResources"]
            found += [(s["PhysicalResourceId"], self.region[name]) for s in summaries if s["ResourceType"] == kind]
        return found

    def check_resources(self):
        checked = 0
        for kind, (service, ask) in LOOK.items():
            wanted = [r for t in self.templates.values() for r in t["Resources"].values() if r["Type"] == kind]
            made = self.resources(kind)
            assert len(made) == len(wanted), f"{kind}: {len(made)} in the stacks, expected {len(wanted)}"
            for name, region in made:
                assert ask(self.server.client(service, region), name), f"{kind}: {service} does not know {name}"
                checked += 1
        stream = self.server.client("kinesis", "us-east-1").describe_stream_summary(StreamName="cloudping-events")["StreamDescriptionSummary"]
        assert (stream["OpenShardCount"], stream["RetentionPeriodHours"]) == (1, 24), stream
        table = self.server.client("dynamodb", "us-east-1").describe_table(TableName="cloudping-live")["Table"]
        assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 20, table
        print(f"{checked} resources are known to their services")

    def check_changed(self):
        producer = self.server.client("lambda", "eu-west-1").get_function_configuration(FunctionName="cloudping-producer")
        assert producer["Environment"]["Variables"]["CLOUDPING_PROBES"] == "3", producer
        table = self.server.client("dynamodb", "us-east-1").describe_table(TableName="cloudping-live-2")["Table"]
        assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 30, table
        rule = self.server.client("events", "us-east-1").describe_rule(Name="cloudping-archive")
        assert rule["ScheduleExpression"] == "rate(10 minutes)", rule
        print("four settings were changed")

    def check_gone(self):
        """State stays, all else is gone."""
        assert self.server.client("dynamodb", "us-east-1").list_tables()["TableNames"] == ["cloudping-live", "cloudping-live-2"]
        assert self.server.client("kinesis", "us-east-1").list_streams()["StreamNames"] == ["cloudping-events"]
        for region in set(self.region.values()):
            for service, ask, answer in (("lambda", "list_functions", "Functions"), ("events", "list_rules", "Rules"), ("cloudwatch", "describe_alarms", "MetricAlarms")):
                left = getattr(self.server.client(service, region), ask)()[answer]
                assert left == [], f"{service} in {region} still has {left}"


def zipped(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


# How to ask a service for a resource by the name that CloudFormation gave it.
LOOK = {
    "AWS::Kinesis::Stream": ("kinesis", lambda c, name: c.describe_stream_summary(StreamName=name)),
    "AWS::DynamoDB::Table": ("dynamodb", lambda c, name: c.describe_table(TableName=name)),
    "AWS::S3::Bucket": ("s3", lambda c, name: c.head_bucket(Bucket=name)),
    "AWS::Lambda::Function": ("lambda", lambda c, name: c.get_function(FunctionName=name)),
    "AWS::Lambda::EventSourceMapping": ("lambda", lambda c, name: c.get_event_source_mapping(UUID=name)),
    "AWS::Lambda::Url": ("lambda", lambda c, name: c.get_function_url_config(FunctionName=name)),
    "AWS::Events::Rule": ("events", lambda c, name: c.describe_rule(Name=name.split("|")[-1])),
    "AWS::Logs::LogGroup": ("logs", lambda c, name: c.describe_log_groups(logGroupNamePrefix=name)["logGroups"]),
    "AWS::IAM::Role": ("iam", lambda c, name: c.get_role(RoleName=name)),
    "AWS::SNS::Topic": ("sns", lambda c, name: c.get_topic_attributes(TopicArn=name)),
    "AWS::SQS::Queue": ("sqs", lambda c, name: c.get_queue_attributes(QueueUrl=name)),
    "AWS::CloudWatch::Alarm": ("cloudwatch", lambda c, name: c.describe_alarms(AlarmNames=[name])["MetricAlarms"]),
    "AWS::Glue::Database": ("glue", lambda c, name: c.get_database(Name=name)),
    "AWS::Athena::WorkGroup": ("athena", lambda c, name: c.get_work_group(WorkGroup=name)),
    "AWS::EC2::VPC": ("ec2", lambda c, name: c.describe_vpcs(VpcIds=[name])["Vpcs"]),
    "AWS::EC2::SecurityGroup": ("ec2", lambda c, name: c.describe_security_groups(GroupIds=[name])["SecurityGroups"]),
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
