import { Duration } from 'aws-cdk-lib';
import * as budgets from 'aws-cdk-lib/aws-budgets';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kinesis from 'aws-cdk-lib/aws-kinesis';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as subscriptions from 'aws-cdk-lib/aws-sns-subscriptions';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { Containers } from './containers';
import { dashboard } from './dashboard';
import type { Instance } from './instance';
import { NAMESPACE } from './metrics';
import { producerAlarm } from './names';
import { PartStack } from './part-stack';

export interface ObservedParts {
  readonly stream: kinesis.Stream;
  readonly table: dynamodb.Table;
  readonly processor: lambda.Function;
  readonly rollup: lambda.Function;
  readonly failed: sqs.Queue;
  readonly backend: Instance | Containers;
  readonly door: lambda.Function | undefined;
}

/** Less than this part of the rounds due is an alarm: one vantage point of ten may be away, and retries hide some. */
const COMPLETE = 0.9;

interface Rule {
  readonly id: string;
  readonly says: string;
  readonly metric: cloudwatch.IMetric;
  readonly threshold: number;
  readonly below?: boolean;
  readonly times?: readonly [number, number];
  /** Whether no data at all is an alarm. */
  readonly silence?: boolean;
}

/** Who is told when the record is late, incomplete, failing or dear. */
export class ObservabilityStack extends PartStack {
  readonly topic: sns.Topic;

  constructor(scope: Construct, settings: Settings, private readonly parts: ObservedParts) {
    super(scope, settings, 'observability', settings.homeRegion, { description: 'cloudping: alarms, dashboard and budget' });
    this.topic = new sns.Topic(this, 'Alarms', { displayName: `${settings.name}: alarms`, enforceSSL: true });
    if (settings.alarms.email) this.topic.addSubscription(new subscriptions.EmailSubscription(settings.alarms.email));
    this.topic.addToResourcePolicy(new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [this.topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
    }));
    const alarms = [...this.pipelineRules(), ...this.storeRules(), ...this.servingRules(), ...this.doorRules()].map((rule) => this.alarm(rule));
    this.producers();
    this.budget();
    if (settings.dashboard) dashboard(this, settings, this.parts, alarms, (name, of, statistic) => this.own(name, of, statistic));
  }

  /** A metric that one of our functions writes. */
  private own(metricName: string, of: lambda.Function, statistic = 'Sum', minutes = 5): cloudwatch.Metric {
    const period = Duration.minutes(minutes);
    return new cloudwatch.Metric({ namespace: NAMESPACE, metricName, statistic, period, dimensionsMap: { function: of.functionName } });
  }

  private pipelineRules(): Rule[] {
    const { processor, rollup, failed } = this.parts;
    const { regions, intervalSeconds } = this.settings.producers;
    const due = (regions.length * 15 * 60) / intervalSeconds;
    return [
      { id: 'Lag', says: 'The stream processor is two minutes behind', metric: processor.metric('IteratorAge', { statistic: 'Maximum', period: Duration.minutes(1) }), threshold: 120_000, times: [5, 5] },
      { id: 'LiveViewBehind', says: 'What the live view shows is two minutes old', metric: this.own('BatchAge', processor, 'Maximum', 1), threshold: 120_000, times: [5, 5] },
      { id: 'Incomplete', says: `Fewer than ${COMPLETE * 100} % of the rounds due were counted`, metric: this.own('RoundsCounted', processor, 'Sum', 15), threshold: Math.ceil(due * COMPLETE), below: true, silence: true },
      { id: 'ProcessorFailing', says: 'Batches are asked for again', metric: this.own('Failed', processor, 'Sum', 1), threshold: 0, times: [3, 5] },
      { id: 'ProcessorErrors', says: 'The stream processor ends with errors', metric: processor.metricErrors(), threshold: 0, times: [2, 3] },
      { id: 'DeadLetters', says: 'Records could not be read; they are in the live store', metric: this.own('DeadLetters', processor), threshold: 0 },
      { id: 'FailedBatches', says: 'Batches were given up; the queue names them', metric: failed.metricApproximateNumberOfMessagesVisible(), threshold: 0 },
      { id: 'ArchiveStill', says: 'The archive has taken nothing for 30 minutes', metric: this.own('RoundsArchived', rollup, 'Sum', 30), threshold: 1, below: true, silence: true },
      { id: 'ArchiveFailing', says: 'Archiving fails', metric: this.own('Failed', rollup), threshold: 0, times: [3, 5] },
      { id: 'ArchiveErrors', says: 'The archive function ends with errors', metric: rollup.metricErrors(), threshold: 0, times: [2, 3] },
      { id: 'ArchiveUnreadable', says: 'The archive passed over records that are no events', metric: this.own('UnreadableRecords', rollup), threshold: 0 },
      { id: 'ArchiveUnfinished', says: 'The archive needs more time, or a large rollup', metric: this.own('Unfinished', rollup), threshold: 0, times: [3, 3] },
    ];
  }

  private storeRules(): Rule[] {
    const { stream, table } = this.parts;
    return [
      { id: 'StreamThrottled', says: 'The stream needs more shards', metric: stream.metricWriteProvisionedThroughputExceeded({ statistic: 'Sum' }), threshold: 0, times: [3, 3] },
      { id: 'TableThrottled', says: 'The live store refuses writes', metric: table.metric('WriteThrottleEvents', { statistic: 'Sum' }), threshold: 0, times: [3, 3] },
    ];
  }

  private servingRules(): Rule[] {
    const { backend } = this.parts;
    if (!(backend instanceof Containers)) return [machine(backend)];
    const { balancer, group } = backend;
    return [
      { id: 'NoHealthyService', says: 'No container answers', metric: group.metrics.healthyHostCount({ statistic: 'Minimum', period: Duration.minutes(1) }), threshold: 1, below: true, times: [3, 3], silence: true },
      { id: 'ServiceErrors', says: 'The query service answers 5xx', metric: group.metrics.httpCodeTarget(elb.HttpCodeTarget.TARGET_5XX_COUNT, { statistic: 'Sum' }), threshold: 20, times: [2, 3] },
      { id: 'BalancerErrors', says: 'The load balancer finds nobody to ask', metric: balancer.metrics.httpCodeElb(elb.HttpCodeElb.ELB_5XX_COUNT, { statistic: 'Sum' }), threshold: 20, times: [2, 3] },
    ];
  }

  private doorRules(): Rule[] {
    const { door } = this.parts;
    if (!door) return [];
    return [
      { id: 'DoorFailing', says: 'The ingest door cannot take rounds', metric: this.own('Failed', door, 'Sum', 1), threshold: 0, times: [3, 5] },
      { id: 'DoorRefusing', says: 'The ingest door refuses requests; its log says whose', metric: this.own('RequestsRefused', door, 'Sum', 1), threshold: 0, times: [5, 5] },
    ];
  }

  private alarm(rule: Rule): cloudwatch.Alarm {
    const [datapointsToAlarm, evaluationPeriods] = rule.times ?? [1, 1];
    const { LESS_THAN_THRESHOLD, GREATER_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;
    const alarm = new cloudwatch.Alarm(this, rule.id, {
      alarmName: `${this.settings.name}-${rule.id}`,
      alarmDescription: `${rule.says} (docs/deploy.md, docs/metrics.md)`,
      metric: rule.metric,
      threshold: rule.threshold,
      datapointsToAlarm,
      evaluationPeriods,
      comparisonOperator: rule.below ? LESS_THAN_THRESHOLD : GREATER_THAN_THRESHOLD,
      treatMissingData: rule.silence ? cloudwatch.TreatMissingData.BREACHING : cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    return alarm;
  }

  /** What producers' regions report to this one's bus, and this one's own. */
  private producers(): void {
    new events.Rule(this, 'ProducerAlarms', {
      ruleName: `${this.settings.name}-producer-alarms`,
      eventPattern: {
        source: ['aws.cloudwatch'],
        detailType: ['CloudWatch Alarm State Change'],
        detail: { alarmName: [{ prefix: producerAlarm(this.settings, '') }], state: { value: ['ALARM', 'OK'] } },
      },
      targets: [new targets.SnsTopic(this.topic, {
        message: events.RuleTargetInput.fromText(
          `${events.EventField.fromPath('$.detail.alarmName')} in ${events.EventField.fromPath('$.region')}: ${events.EventField.fromPath('$.detail.state.value')}. ${events.EventField.fromPath('$.detail.state.reason')}`,
        ),
      })],
    });
  }

  /** Of the whole account: costs by tag would first have to be switched on by its owner. */
  private budget(): void {
    const { monthlyUsd, email } = this.settings.budget;
    const subscribers = email ? [{ subscriptionType: 'EMAIL', address: email }] : [{ subscriptionType: 'SNS', address: this.topic.topicArn }];
    this.topic.addToResourcePolicy(new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal('budgets.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [this.topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
    }));
    const notice = (notificationType: string, threshold: number) => ({
      notification: { notificationType, comparisonOperator: 'GREATER_THAN', threshold, thresholdType: 'PERCENTAGE' },
      subscribers,
    });
    new budgets.CfnBudget(this, 'Budget', {
      budget: {
        budgetName: `${this.settings.name}-monthly`,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: monthlyUsd, unit: 'USD' },
      },
      notificationsWithSubscribers: [notice('ACTUAL', 80), notice('ACTUAL', 100), notice('FORECASTED', 100)],
    });
  }
}

/** EC2 asks the machine and its system each minute, and moves it when the latter fails. */
function machine({ instance }: Instance): Rule {
  const metric = new cloudwatch.Metric({
    namespace: 'AWS/EC2', metricName: 'StatusCheckFailed', statistic: 'Maximum', period: Duration.minutes(1), dimensionsMap: { InstanceId: instance.instanceId },
  });
  return { id: 'NoHealthyService', says: 'The machine of the query service does not answer', metric, threshold: 0, times: [3, 3], silence: true };
}
