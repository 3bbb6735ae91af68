import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

/** The programs whose roles are given out here. */
export type Program =
  | 'producer' | 'stream-processor' | 'batch-rollup' | 'query-service' | 'ingest-door' | 'region-manager' | 'upkeep';

/** By this description a role is known as a program's, in the console and in the tests. */
export const roleOf = (program: Program): string => `What the program ${program} may do`;

export const STREAM_WRITE = ['kinesis:PutRecords'];
export const STREAM_READ = ['kinesis:ListShards', 'kinesis:GetShardIterator', 'kinesis:GetRecords'];
/** A commit is a transaction, and a transaction is allowed by its parts. */
export const TABLE = [
  'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:DeleteItem', 'dynamodb:ConditionCheckItem',
];
export const OBJECTS_READ = ['s3:GetObject'];
/** A put "if absent" is a put; large ones are uploads in parts, which are broken off when they fail. */
export const OBJECTS_WRITE = ['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'];
/** Without it S3 says of a missing object that it is forbidden. */
export const OBJECTS_LIST = ['s3:ListBucket'];

/** What Lambda does in a role's name for its event source, though the program never does. */
export const EVENT_SOURCE = [
  'kinesis:DescribeStream', 'kinesis:DescribeStreamSummary', 'kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards',
];
export const LOGS = ['logs:CreateLogStream', 'logs:PutLogEvents'];

export const allow = (actions: readonly string[], resources: readonly string[]): iam.PolicyStatement =>
  new iam.PolicyStatement({ actions: [...actions], resources: [...resources] });

/** A program's role: these statements and no others, whatever constructs would add later. */
export function programRole(
  scope: Construct,
  program: Program,
  service: 'lambda.amazonaws.com' | 'ecs-tasks.amazonaws.com' | 'ec2.amazonaws.com',
  statements: iam.PolicyStatement[],
  roleName?: string,
): iam.IRole {
  const role = new iam.Role(scope, 'Role', {
    assumedBy: new iam.ServicePrincipal(service),
    description: roleOf(program),
    ...(roleName !== undefined && { roleName }),
    inlinePolicies: { program: new iam.PolicyDocument({ statements }) },
  });
  return role.withoutPolicyUpdates();
}
