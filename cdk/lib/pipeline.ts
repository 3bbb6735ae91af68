import { Duration } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { streamArn, streamName, tableName } from './names';
import type { Packages } from './packages';
import { PartStack } from './part-stack';
import {
  EVENT_SOURCE, OBJECTS_LIST, OBJECTS_READ, OBJECTS_WRITE, STREAM_READ, STREAM_WRITE, TABLE, allow,
} from './permissions';
import { ProgramFunction } from './program-function';
import { Upkeep } from './upkeep';

export interface PipelineProps {
  readonly packages: Packages;
  readonly table: dynamodb.ITable;
  readonly archive: s3.IBucket;
  readonly vpc: ec2.IVpc;
}

/** From the log to the live store and to the archive. */
export class PipelineStack extends PartStack {
  readonly processor: lambda.Function;
  readonly rollup: lambda.Function;
  readonly failed: sqs.Queue;

  constructor(scope: Construct, settings: Settings, private readonly props: PipelineProps) {
    super(scope, settings, 'pipeline', settings.homeRegion, { description: 'cloudping: stream processor and archive' });
    this.failed = new sqs.Queue(this, 'FailedBatches', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    this.processor = this.streamProcessor();
    this.rollup = this.batchRollup();
    if (settings.rollup.size === 'large') {
      new Upkeep(this, 'Upkeep', { settings, packages: props.packages, archive: props.archive, vpc: props.vpc });
    }
  }

  private streamProcessor(): lambda.Function {
    const { settings, failed } = this;
    const stream = streamArn(settings);
    const { function: processor } = new ProgramFunction(this, 'StreamProcessor', {
      settings,
      packages: this.props.packages,
      program: 'stream-processor',
      memoryMiB: 512,
      timeout: Duration.seconds(60),
      environment: { CLOUDPING_STREAM: streamName(settings), CLOUDPING_TABLE: tableName(settings) },
      statements: [
        allow([...STREAM_WRITE, ...EVENT_SOURCE], [stream]),
        allow(TABLE, [this.props.table.tableArn]),
        allow(['sqs:SendMessage'], [failed.queueArn]),
      ],
    });
    new lambda.EventSourceMapping(this, 'Source', {
      target: processor,
      eventSourceArn: stream,
      startingPosition: lambda.StartingPosition.TRIM_HORIZON,
      batchSize: 500,
      maxBatchingWindow: Duration.seconds(10),
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      // An outage of the store must be waited for, but given up while the stream still has the records that the queue names.
      maxRecordAge: Duration.hours(Math.min(settings.stream.retentionHours, 168) - 1),
      onFailure: new SqsDlq(failed),
    });
    return processor;
  }

  private batchRollup(): lambda.Function {
    const { settings } = this;
    const { rollup, archive, name } = settings;
    const bucket = this.props.archive;
    // It ends before the next begins: two at once only do work twice.
    const seconds = Math.min(rollup.everyMinutes * 60 - 10, 900);
    const { function: batch } = new ProgramFunction(this, 'BatchRollup', {
      settings,
      packages: this.props.packages,
      program: 'batch-rollup',
      memoryMiB: rollup.size === 'large' ? 3008 : 1769,
      timeout: Duration.seconds(seconds),
      environment: {
        CLOUDPING_STREAM: streamName(settings),
        CLOUDPING_BUCKET: bucket.bucketName,
        CLOUDPING_PREFIX: archive.prefix,
        CLOUDPING_KEEP_HOURS: String(archive.keepHours),
        CLOUDPING_UPKEEP: rollup.size === 'small' ? 'yes' : 'no',
      },
      statements: [
        allow(STREAM_READ, [streamArn(settings)]),
        allow(OBJECTS_LIST, [bucket.bucketArn]),
        allow([...OBJECTS_READ, ...OBJECTS_WRITE], [bucket.arnForObjects(`${archive.prefix}/*`)]),
      ],
    });
    new events.Rule(this, 'ArchiveSchedule', {
      ruleName: `${name}-archive`,
      schedule: events.Schedule.rate(Duration.minutes(rollup.everyMinutes)),
      targets: [new targets.LambdaFunction(batch, { retryAttempts: 0 })],
    });
    return batch;
  }
}
