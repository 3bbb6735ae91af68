import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { producerAlarm, streamArn } from './names';
import type { Packages } from './packages';
import { PartStack } from './part-stack';
import { LOGS, STREAM_WRITE, allow, programRole } from './permissions';
import { ProgramFunction } from './program-function';

/** From one run to the next: an enabled region has its producer a run later, and a new one is found within a day. */
const EVERY = Duration.hours(6);

export interface RegionManagerProps {
  readonly packages: Packages;
  readonly archive: s3.IBucket;
  readonly manager: NonNullable<Settings['regionManager']>;
}

/** What deploys producers to the regions of the account, in the place of a stack for each; and the one role they run in. */
export class RegionManagerStack extends PartStack {
  constructor(scope: Construct, settings: Settings, props: RegionManagerProps) {
    super(scope, settings, 'region-manager', settings.homeRegion, { description: 'cloudping: region manager, and the role of producers' });
    const { packages, archive, manager } = props;
    const role = this.producerRole();
    const report = this.reportRole();
    const code = new Asset(this, 'ProducerPackage', { path: packages.zip('producer') });
    const found = `${settings.archive.prefix}/account-regions.json`;
    const { name, account, homeRegion, architecture, producers } = settings;
    const { function: own } = new ProgramFunction(this, 'RegionManager', {
      settings,
      packages,
      program: 'region-manager',
      memoryMiB: 512,
      timeout: Duration.minutes(15),
      environment: {
        CLOUDPING_SETTINGS: JSON.stringify({ name, account, homeRegion, architecture, producers, regionManager: manager }),
        CLOUDPING_PRODUCER: `s3://${code.s3BucketName}/${code.s3ObjectKey}`,
        CLOUDPING_REPORT: `s3://${archive.bucketName}/${found}`,
      },
      statements: [
        ...this.accountStatements(manager.enable),
        ...this.regionStatements(role),
        ...this.alarmStatements(report),
        allow(['s3:GetObject'], [code.bucket.arnForObjects(code.s3ObjectKey)]),
        allow(['s3:PutObject'], [archive.arnForObjects(found)]),
      ],
    });
    new events.Rule(this, 'Schedule', {
      ruleName: `${name}-region-manager`,
      schedule: events.Schedule.rate(EVERY),
      targets: [new targets.LambdaFunction(own, { retryAttempts: 0 })],
    });
    this.alarm(own);
  }

  /** One for all regions, by a name that the region manager knows without being told. */
  private producerRole(): iam.IRole {
    const { settings } = this;
    const log = `arn:aws:logs:*:${settings.account}:log-group:/aws/lambda/${settings.name}-producer:*`;
    return programRole(this, 'producer', 'lambda.amazonaws.com', [
      allow(STREAM_WRITE, [streamArn(settings)]),
      allow(LOGS, [log]),
    ], `${settings.name}-producer`);
  }

  /** In which a region's rule hands changes of its alarm to the home region's bus: alarms reach topics of their own region only. */
  private reportRole(): iam.IRole {
    const { name, account, homeRegion } = this.settings;
    const role = new iam.Role(this, 'ReportRole', {
      assumedBy: new iam.ServicePrincipal('events.amazonaws.com'),
      description: 'What the rules of producers\' alarms may do',
      roleName: `${name}-producer-report`,
      inlinePolicies: {
        report: new iam.PolicyDocument({ statements: [allow(['events:PutEvents'], [`arn:aws:events:${homeRegion}:${account}:event-bus/default`])] }),
      },
    });
    return role.withoutPolicyUpdates();
  }

  /** Only regions that the settings name can be enabled, whatever the program would do. */
  private accountStatements(enable: readonly string[]): iam.PolicyStatement[] {
    const account = `arn:aws:account::${this.account}:account`;
    const list = allow(['account:ListRegions'], [account]);
    if (enable.length === 0) return [list];
    return [list, new iam.PolicyStatement({
      actions: ['account:EnableRegion'],
      resources: [account],
      conditions: { StringEquals: { 'account:TargetRegion': [...enable] } },
    })];
  }

  /** In every region, and of the producer's own parts alone. */
  private regionStatements(role: iam.IRole): iam.PolicyStatement[] {
    const producer = `${this.settings.name}-producer`;
    const log = `arn:aws:logs:*:${this.account}:log-group:/aws/lambda/${producer}`;
    return [
      allow([
        // Lambda tells a function's tags only to those who may list them.
        'lambda:GetFunction', 'lambda:ListTags', 'lambda:CreateFunction', 'lambda:UpdateFunctionCode', 'lambda:UpdateFunctionConfiguration', 'lambda:DeleteFunction',
        'lambda:GetPolicy', 'lambda:AddPermission', 'lambda:RemovePermission', 'lambda:TagResource',
        'lambda:GetFunctionEventInvokeConfig', 'lambda:PutFunctionEventInvokeConfig',
      ], [`arn:aws:lambda:*:${this.account}:function:${producer}`]),
      mayPass(role, 'lambda.amazonaws.com'),
      allow([
        'events:DescribeRule', 'events:PutRule', 'events:DeleteRule', 'events:ListTargetsByRule', 'events:PutTargets', 'events:RemoveTargets',
        'events:ListTagsForResource', 'events:TagResource',
      ], [`arn:aws:events:*:${this.account}:rule/${producer}`, `arn:aws:events:*:${this.account}:rule/${producer}-report`]),
      // Groups are looked for by the beginning of their names, which IAM takes for all of them.
      allow(['logs:DescribeLogGroups'], [`arn:aws:logs:*:${this.account}:log-group:*`]),
      allow([
        'logs:CreateLogGroup', 'logs:DeleteLogGroup', 'logs:PutRetentionPolicy', 'logs:ListTagsForResource', 'logs:TagResource',
      ], [log, `${log}:*`]),
    ];
  }

  private alarmStatements(report: iam.IRole): iam.PolicyStatement[] {
    const alarms = `arn:aws:cloudwatch:*:${this.account}:alarm:`;
    return [
      mayPass(report, 'events.amazonaws.com'),
      // Alarms are listed, by a name or not, which IAM takes for all of them.
      allow(['cloudwatch:DescribeAlarms'], [`${alarms}*`]),
      allow([
        'cloudwatch:PutMetricAlarm', 'cloudwatch:DeleteAlarms', 'cloudwatch:ListTagsForResource', 'cloudwatch:TagResource',
      ], [`${alarms}${producerAlarm(this.settings, 'failing')}`]),
    ];
  }

  /** By its name the home region's rule for producers tells the topic. */
  private alarm(own: lambda.Function): void {
    new cloudwatch.Alarm(this, 'RegionsFailing', {
      alarmName: producerAlarm(this.settings, 'regions'),
      alarmDescription: 'A region could not be brought to what it should have; the log of the region manager names it (docs/regions.md)',
      metric: own.metricErrors({ statistic: 'Sum', period: EVERY }),
      threshold: 0,
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
  }
}

const mayPass = (role: iam.IRole, service: string): iam.PolicyStatement => new iam.PolicyStatement({
  actions: ['iam:PassRole'],
  resources: [role.roleArn],
  conditions: { StringEquals: { 'iam:PassedToService': service } },
});
