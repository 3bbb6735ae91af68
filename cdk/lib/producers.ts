import { readFileSync } from 'node:fs';
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { producerAlarm, streamArn, streamName } from './names';
import type { Packages } from './packages';
import { PartStack } from './part-stack';
import { STREAM_WRITE, allow } from './permissions';
import { ProgramFunction } from './program-function';

/** What the region manager reads too, so that both ways lead to the same function. */
interface Shared {
  readonly memoryMiB: number;
  /** Beyond its rounds an invocation waits for the last answers and for the stream. */
  readonly slackSeconds: number;
  readonly schedule: string;
  readonly retries: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Variables that are a number of `producers`, by its field. */
  readonly environmentFromSettings: Readonly<Record<string, string>>;
  /** More invocations of a period than these must fail, or none take place. */
  readonly alarm: { readonly periodSeconds: number; readonly errors: number };
}

const SHARED = JSON.parse(readFileSync(new URL('../../region-manager/producer.json', import.meta.url), 'utf8')) as Shared;

function environment({ producers }: Settings): Record<string, string> {
  const numbers = producers as unknown as Readonly<Record<string, unknown>>;
  const named = Object.entries(SHARED.environmentFromSettings).map(([variable, field]) => [variable, String(numbers[field])] as const);
  return { ...SHARED.environment, ...Object.fromEntries(named) };
}

/** A region's vantage point: a function that measures each minute. */
export class ProducerStack extends PartStack {
  constructor(scope: Construct, settings: Settings, region: string, packages: Packages) {
    super(scope, settings, `producer-${region}`, region, { description: `cloudping: vantage point ${region}` });
    const { intervalSeconds, timeoutMs } = settings.producers;
    const { function: producer } = new ProgramFunction(this, 'Producer', {
      settings,
      packages,
      program: 'producer',
      memoryMiB: SHARED.memoryMiB,
      timeout: Duration.seconds(60 + Math.ceil(timeoutMs / 1000) + SHARED.slackSeconds),
      environment: {
        CLOUDPING_STREAM: streamName(settings),
        CLOUDPING_STREAM_REGION: settings.homeRegion,
        CLOUDPING_VANTAGE: region,
        CLOUDPING_ROUNDS: String(60 / intervalSeconds),
        CLOUDPING_INTERVAL_MS: String(intervalSeconds * 1000),
        ...environment(settings),
      },
      statements: [allow(STREAM_WRITE, [streamArn(settings)])],
    });
    new events.Rule(this, 'Schedule', {
      ruleName: `${settings.name}-producer`,
      schedule: events.Schedule.expression(SHARED.schedule),
      targets: [new targets.LambdaFunction(producer, { retryAttempts: SHARED.retries })],
    });
    this.alarm(producer, region);
    if (region !== settings.homeRegion) this.report();
  }

  /** An invocation fails when the stream does not take its rounds; a region that does not invoke has no data at all. */
  private alarm(producer: lambda.Function, region: string): void {
    const { periodSeconds, errors } = SHARED.alarm;
    new cloudwatch.Alarm(this, 'Failing', {
      alarmName: producerAlarm(this.settings, 'failing'),
      alarmDescription: `${region} has sent nothing for most of ${periodSeconds / 60} minutes`,
      metric: producer.metricErrors({ statistic: 'Sum', period: Duration.seconds(periodSeconds) }),
      threshold: errors,
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.BREACHING,
    });
  }

  /** Alarms reach topics of their own region only: changes of state go to the home region's bus, where the one topic is. */
  private report(): void {
    const { settings } = this;
    const bus = `arn:aws:events:${settings.homeRegion}:${settings.account}:event-bus/default`;
    new events.Rule(this, 'Report', {
      ruleName: `${settings.name}-producer-alarms`,
      eventPattern: {
        source: ['aws.cloudwatch'],
        detailType: ['CloudWatch Alarm State Change'],
        detail: { alarmName: [{ prefix: producerAlarm(settings, '') }] },
      },
      targets: [new targets.EventBus(events.EventBus.fromEventBusArn(this, 'Home', bus))],
    });
  }
}
