import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { streamName, tableName } from './names';
import { PartStack } from './part-stack';

/** Units that are paid for by the hour cost half of those paid for by the request, as long as they are used evenly: rounds come so. */
function capacity({ table: { capacity } }: Settings): Pick<dynamodb.TableProps, 'billingMode' | 'writeCapacity' | 'readCapacity'> {
  if (!capacity) return { billingMode: dynamodb.BillingMode.PAY_PER_REQUEST };
  return { billingMode: dynamodb.BillingMode.PROVISIONED, writeCapacity: capacity.writeUnits, readCapacity: capacity.readUnits };
}

/** What must outlive every other stack: the log, the live store, the archive. */
export class StateStack extends PartStack {
  readonly stream: kinesis.Stream;
  readonly table: dynamodb.Table;
  readonly archive: s3.Bucket;
  /** What Athena found. */
  readonly results: s3.Bucket;
  /** Access logs of buckets, load balancer and edge. */
  readonly accessLogs: s3.Bucket;

  constructor(scope: Construct, settings: Settings) {
    super(scope, settings, 'state', settings.homeRegion, {
      description: 'cloudping: event log, live store and archive',
      terminationProtection: true,
    });
    this.stream = new kinesis.Stream(this, 'Events', {
      streamName: streamName(settings),
      streamMode: kinesis.StreamMode.PROVISIONED,
      shardCount: settings.stream.shards,
      retentionPeriod: Duration.hours(settings.stream.retentionHours),
      encryption: kinesis.StreamEncryption.MANAGED,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const { generation } = settings.table;
    this.table = this.live(settings, generation, capacity(settings));
    if (generation > 1) {
      // The way back. The stacks that work on it import these until they have been deployed themselves: CloudFormation lets no export go before.
      const before = this.live(settings, generation - 1, { billingMode: dynamodb.BillingMode.PAY_PER_REQUEST });
      [before.tableArn, before.tableName].forEach((imported) => this.exportValue(imported));
    }
    this.accessLogs = this.bucket('AccessLogs', {
      // CloudFront's and the load balancer's logs are delivered with ACLs and with SSE-S3.
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
      lifecycleRules: [{ id: 'old-logs', expiration: Duration.days(90) }],
    });
    this.archive = this.bucket('Archive', {
      versioned: true,
      serverAccessLogsBucket: this.accessLogs,
      serverAccessLogsPrefix: 'archive/',
      lifecycleRules: [
        { id: 'unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(2) },
        {
          id: 'replaced-objects',
          noncurrentVersionExpiration: Duration.days(settings.archive.oldVersionsDays),
          expiredObjectDeleteMarker: true,
        },
      ],
    });
    this.results = this.bucket('Results', {
      serverAccessLogsBucket: this.accessLogs,
      serverAccessLogsPrefix: 'results/',
      lifecycleRules: [{ id: 'old-results', expiration: Duration.days(14), abortIncompleteMultipartUploadAfter: Duration.days(2) }],
    });
  }

  /** The live store of a generation. */
  private live(settings: Settings, generation: number, paid: Partial<dynamodb.TableProps>): dynamodb.Table {
    return new dynamodb.Table(this, generation === 1 ? 'Live' : `Live${generation}`, {
      tableName: tableName(settings, generation),
      partitionKey: { name: 'p', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 's', type: dynamodb.AttributeType.STRING },
      timeToLiveAttribute: 'e',
      ...paid,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  private bucket(id: string, props: s3.BucketProps): s3.Bucket {
    return new s3.Bucket(this, id, {
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      ...props,
    });
  }
}
