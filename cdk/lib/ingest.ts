import { CfnOutput, Duration } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { streamArn, streamName, tableName } from './names';
import type { Packages } from './packages';
import { PartStack } from './part-stack';
import { STREAM_WRITE, TABLE, allow } from './permissions';
import { ProgramFunction } from './program-function';

export interface IngestProps {
  readonly packages: Packages;
  readonly table: dynamodb.ITable;
}

/** The door of vantage points that cannot write to the stream: a function behind an address of its own. */
export class IngestStack extends PartStack {
  readonly door: lambda.Function;

  constructor(scope: Construct, settings: Settings, limits: NonNullable<Settings['ingest']>, { packages, table }: IngestProps) {
    super(scope, settings, 'ingest', settings.homeRegion, { description: 'cloudping: ingest door' });
    const { function: door } = new ProgramFunction(this, 'Door', {
      settings,
      packages,
      program: 'ingest-door',
      memoryMiB: 256,
      // A body may take ten seconds to arrive; the rest is for the stream and the table.
      timeout: Duration.seconds(30),
      environment: {
        CLOUDPING_STREAM: streamName(settings),
        CLOUDPING_TABLE: tableName(settings),
        CLOUDPING_INGEST_ROUNDS_PER_SECOND: String(limits.roundsPerSecond),
        CLOUDPING_INGEST_REQUESTS_PER_MINUTE: String(limits.requestsPerMinute),
      },
      statements: [allow(STREAM_WRITE, [streamArn(settings)]), allow(TABLE, [table.tableArn])],
      ...(limits.atOnce !== null && { atOnce: limits.atOnce }),
    });
    this.door = door;
    // Whoever sends signs, with keys that AWS does not know: the door checks.
    const url = door.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.NONE });
    new CfnOutput(this, 'IngestAddress', { value: url.url });
  }
}
