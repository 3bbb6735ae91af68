import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Settings } from '../settings';
import { tableName } from './names';
import type { Packages } from './packages';
import { OBJECTS_LIST, OBJECTS_READ, TABLE, allow, programRole } from './permissions';

export const PORT = 8080;

export interface QueryServiceProps {
  readonly settings: Settings;
  readonly packages: Packages;
  readonly table: dynamodb.ITable;
  readonly archive: s3.IBucket;
  /** The network in which the load balancer stands: it alone may say who asks. */
  readonly proxies: string;
}

/** The query service's container: its image, what it may do, and what it is told. */
export class QueryService extends Construct {
  readonly definition: ecs.FargateTaskDefinition;

  constructor(scope: Construct, id: string, props: QueryServiceProps) {
    super(scope, id);
    const { settings, packages } = props;
    this.definition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: settings.serving.cpu,
      memoryLimitMiB: settings.serving.memoryMiB,
      runtimePlatform: {
        cpuArchitecture: settings.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: programRole(this, 'query-service', 'ecs-tasks.amazonaws.com', statements(props)),
    });
    this.definition.addContainer('query-service', {
      image: packages.image('query-service'),
      portMappings: [{ containerPort: PORT }],
      environment: { AWS_REGION: Stack.of(this).region, ...environment(props) },
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: 'query-service',
        logGroup: new logs.LogGroup(this, 'Log', { retention: logs.RetentionDays.ONE_MONTH, removalPolicy: RemovalPolicy.DESTROY }),
      }),
    });
  }
}

/** What the program is told, wherever it runs. */
export function environment({ settings, archive, proxies }: QueryServiceProps): Record<string, string> {
  const { archive: place, producers, serving } = settings;
  return {
    CLOUDPING_TABLE: tableName(settings),
    CLOUDPING_BUCKET: archive.bucketName,
    CLOUDPING_PREFIX: place.prefix,
    CLOUDPING_LISTEN: `0.0.0.0:${PORT}`,
    CLOUDPING_VANTAGES: producers.regions.join(','),
    CLOUDPING_INTERVAL_MS: String(producers.intervalSeconds * 1000),
    CLOUDPING_REFRESH_MS: String(serving.refreshMs),
    CLOUDPING_TRUSTED_PROXIES: proxies,
    CLOUDPING_CLIENT_HEADER: 'cloudfront-viewer-address',
    ...(place.exports && { CLOUDPING_EXPORTS: place.exports.folder }),
    ...(serving.alerts && { CLOUDPING_ALERTS: '/etc/cloudping/alerts.toml' }),
  };
}

/** What the program may do, wherever it runs. */
export function statements({ settings, table, archive }: QueryServiceProps): iam.PolicyStatement[] {
  const folders = [settings.archive.prefix, ...(settings.archive.exports ? [settings.archive.exports.folder] : [])];
  const topics = settings.serving.alerts?.topics ?? [];
  return [
    allow(TABLE, [table.tableArn]),
    allow(OBJECTS_LIST, [archive.bucketArn]),
    allow(OBJECTS_READ, folders.map((folder) => archive.arnForObjects(`${folder}/*`))),
    ...(topics.length > 0 ? [allow(['sns:Publish'], topics)] : []),
  ];
}
