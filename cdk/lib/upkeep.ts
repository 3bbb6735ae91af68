import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Settings } from '../settings';
import type { Packages } from './packages';
import { OBJECTS_LIST, OBJECTS_READ, OBJECTS_WRITE, allow, programRole } from './permissions';

export interface UpkeepProps {
  readonly settings: Settings;
  readonly packages: Packages;
  readonly archive: s3.IBucket;
  readonly vpc: ec2.IVpc;
}

/** Compacts each hour and vacuums each day, as tasks: tables that have outgrown a function's memory and its fifteen minutes. */
export class Upkeep extends Construct {
  constructor(scope: Construct, id: string, props: UpkeepProps) {
    super(scope, id);
    const { settings, vpc } = props;
    const cluster = new ecs.Cluster(this, 'Cluster', { vpc, containerInsightsV2: ecs.ContainerInsights.ENABLED });
    const definition = this.definition(props);
    const tables = `s3://${props.archive.bucketName}/${settings.archive.prefix}`;
    const outwards = new ec2.SecurityGroup(this, 'Outwards', { vpc, description: 'Upkeep: nobody may come in' });
    const role = new iam.Role(this, 'ScheduleRole', { assumedBy: new iam.ServicePrincipal('events.amazonaws.com') });
    const task = (command: string[]) =>
      new targets.EcsTask({
        cluster,
        taskDefinition: definition,
        role,
        assignPublicIp: true,
        subnetSelection: { subnetType: ec2.SubnetType.PUBLIC },
        securityGroups: [outwards],
        containerOverrides: [{ containerName: 'upkeep', command: ['rollup', ...command, '--tables', tables] }],
        retryAttempts: 0,
      });
    new events.Rule(this, 'CompactSchedule', {
      schedule: events.Schedule.cron({ minute: '20' }),
      targets: [task(['compact'])],
    });
    new events.Rule(this, 'VacuumSchedule', {
      schedule: events.Schedule.cron({ minute: '50', hour: '3' }),
      targets: [task(['vacuum', '--keep', `${settings.archive.keepHours}h`])],
    });
  }

  private definition({ settings, packages, archive }: UpkeepProps): ecs.FargateTaskDefinition {
    const definition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: 4096,
      memoryLimitMiB: 16_384,
      ephemeralStorageGiB: 50,
      runtimePlatform: {
        cpuArchitecture: settings.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: programRole(this, 'upkeep', 'ecs-tasks.amazonaws.com', [
        allow(OBJECTS_LIST, [archive.bucketArn]),
        allow([...OBJECTS_READ, ...OBJECTS_WRITE], [archive.arnForObjects(`${settings.archive.prefix}/*`)]),
      ]),
    });
    definition.addContainer('upkeep', {
      image: packages.image('upkeep'),
      environment: { AWS_REGION: Stack.of(this).region },
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: 'upkeep',
        logGroup: new logs.LogGroup(this, 'Log', { retention: logs.RetentionDays.ONE_MONTH, removalPolicy: RemovalPolicy.DESTROY }),
      }),
    });
    return definition;
  }
}
