import { Aspects, type App } from 'aws-cdk-lib';
import { AwsSolutionsChecks, NagSuppressions } from 'cdk-nag';
import type { PartStack } from './part-stack';

interface Exception {
  readonly id: string;
  readonly reason: string;
  readonly appliesTo?: (string | { readonly regex: string })[];
}

const OWN_LOG: Exception = {
  id: 'AwsSolutions-IAM5',
  reason: 'The streams of the function\'s own log group, whose names Lambda makes.',
  appliesTo: [{ regex: '/^Resource::arn:<AWS::Partition>:logs:[a-z0-9-]+:\\d{12}:log-group:\\/aws\\/lambda\\/[a-z0-9-]+:\\*$/g' }],
};
const OBJECTS_BELOW: Exception = {
  id: 'AwsSolutions-IAM5',
  reason: 'The objects of one folder of the archive: files of tables have names that nobody knows beforehand.',
  // A resource of another stack goes by its export once templates are made.
  appliesTo: [{ regex: '/^Resource::(<Archive[A-Z0-9]+\\.Arn>|[a-z0-9-]+-state:ExportsOutputFnGetAttArchive[A-Za-z0-9]+)\\/[A-Za-z0-9_\\/-]+\\/\\*$/g' }],
};
/** Of stacks with containers. */
const CONTAINER: readonly Exception[] = [{
  id: 'AwsSolutions-IAM5',
  reason: 'ecr:GetAuthorizationToken knows no resource.',
  appliesTo: ['Resource::*'],
}, {
  id: 'AwsSolutions-ECS2',
  reason: 'Names of resources and plain numbers; no secret is among them.',
}];

/** By the end of a stack's name: which rules of AwsSolutions it does not keep, and why. */
const EXCEPTIONS: Readonly<Record<string, readonly Exception[]>> = {
  pipeline: [OWN_LOG, OBJECTS_BELOW, {
    id: 'AwsSolutions-SQS3',
    reason: 'It is where failed batches end: a queue behind it would only hide them.',
  }, {
    id: 'AwsSolutions-IAM5',
    reason: 'The tasks of one cluster, whose ids ECS makes: a schedule tags those that it starts.',
    appliesTo: [{ regex: '/^Resource::arn:<AWS::Partition>:ecs:[a-z0-9-]+:\\*:task\\/<UpkeepCluster[A-Z0-9]+>\\/\\*$/g' }],
  }, ...CONTAINER],
  serving: [OBJECTS_BELOW, ...CONTAINER, {
    id: 'AwsSolutions-CFR4',
    reason: 'Without a domain there is only CloudFront\'s own certificate, whose TLS versions nobody can choose; with one it is TLS 1.2.',
  }, {
    id: 'AwsSolutions-CFR1',
    reason: 'The record is for everybody.',
  }, {
    id: 'AwsSolutions-CFR2',
    reason: 'A firewall is a setting: the service itself counts what an address asks for.',
  }, {
    id: 'AwsSolutions-EC28',
    reason: 'Of one instance EC2 tells enough each five minutes; its state each minute.',
  }, {
    id: 'AwsSolutions-EC29',
    reason: 'The instance holds nothing that is not in the archive and in the table.',
  }],
  ingest: [OWN_LOG],
  producer: [OWN_LOG],
  'region-manager': [OWN_LOG, {
    id: 'AwsSolutions-IAM5',
    reason: 'The producer\'s own function, rules, log and alarm, in each region: there are new regions that nobody knows beforehand.',
    appliesTo: [{ regex: '/^Resource::arn:aws:(lambda|events|logs|cloudwatch):\\*:\\d{12}:(function:|rule\\/|log-group:\\/aws\\/lambda\\/|alarm:)[a-z0-9-]+-producer(-report|-failing|:\\*)?$/g' }],
  }, {
    id: 'AwsSolutions-IAM5',
    reason: 'cloudwatch:DescribeAlarms lists, and knows no single alarm.',
    appliesTo: [{ regex: '/^Resource::arn:aws:cloudwatch:\\*:\\d{12}:alarm:\\*$/g' }],
  }, {
    id: 'AwsSolutions-IAM5',
    reason: 'logs:DescribeLogGroups looks by the beginning of a name, and knows no single group.',
    appliesTo: [{ regex: '/^Resource::arn:aws:logs:\\*:\\d{12}:log-group:\\*$/g' }],
  }],
};

/** Holds every stack against AwsSolutions: what it finds is an error of the synthesis. */
export function nag(app: App, stacks: readonly PartStack[]): void {
  Aspects.of(app).add(new AwsSolutionsChecks());
  for (const stack of stacks) {
    const part = stack.stackName.slice(stack.settings.name.length + 1).replace(/^producer-.*/, 'producer');
    NagSuppressions.addStackSuppressions(stack, [...(EXCEPTIONS[part] ?? [])].map((one) => ({ ...one, appliesTo: one.appliesTo as never })), true);
  }
}
