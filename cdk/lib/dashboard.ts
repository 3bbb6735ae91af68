import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { Containers } from './containers';
import type { ObservedParts } from './observability';

type Own = (name: string, of: lambda.Function, statistic?: string) => cloudwatch.Metric;

/** One page: from what is measured to what is answered. */
export function dashboard(
  scope: Construct,
  settings: Settings,
  { stream, table, processor, rollup, backend }: ObservedParts,
  alarms: readonly cloudwatch.Alarm[],
  own: Own,
): void {
  const graph = (title: string, left: cloudwatch.IMetric[], right: cloudwatch.IMetric[] = []) =>
    new cloudwatch.GraphWidget({ title, left, right, width: 8, height: 6 });
  const measured = settings.producers.regions.map(
    (region) =>
      new cloudwatch.Metric({
        namespace: 'AWS/Lambda',
        metricName: 'Invocations',
        statistic: 'Sum',
        region,
        label: region,
        dimensionsMap: { FunctionName: `${settings.name}-producer` },
      }),
  );
  new cloudwatch.Dashboard(scope, 'Dashboard', {
    dashboardName: settings.name,
    widgets: [
      [new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24, height: 4 })],
      [
        graph('Invocations of producers', measured),
        graph('Rounds counted and archived', [own('RoundsCounted', processor), own('RoundsArchived', rollup)]),
        graph('Age of the live view, ms', [own('BatchAge', processor, 'Maximum'), processor.metric('IteratorAge', { statistic: 'Maximum' })]),
      ],
      [
        graph('Failures', [own('Failed', processor), own('Failed', rollup), processor.metricErrors(), rollup.metricErrors()]),
        graph('Records that could not be read', [own('DeadLetters', processor), own('UnreadableRecords', rollup)]),
        graph('Time of an invocation, ms', [processor.metricDuration({ statistic: 'p99' }), rollup.metricDuration({ statistic: 'p99' })]),
      ],
      [
        graph('Stream', [stream.metricIncomingBytes({ statistic: 'Sum' })], [stream.metricWriteProvisionedThroughputExceeded({ statistic: 'Sum' })]),
        graph('Live store, units', [table.metricConsumedWriteCapacityUnits(), table.metricConsumedReadCapacityUnits()]),
        graph('Query service', ...service(backend)),
      ],
    ],
  });
}

/** How busy the service is, and how well it does. */
function service(backend: ObservedParts['backend']): [cloudwatch.IMetric[], cloudwatch.IMetric[]] {
  if (backend instanceof Containers) {
    const { balancer, group } = backend;
    return [[balancer.metrics.requestCount()], [group.metrics.targetResponseTime({ statistic: 'p99' }), group.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT)]];
  }
  const of = (metricName: string) =>
    new cloudwatch.Metric({ namespace: 'AWS/EC2', metricName, dimensionsMap: { InstanceId: backend.instance.instanceId } });
  return [[of('CPUUtilization')], [of('CPUCreditBalance')]];
}
