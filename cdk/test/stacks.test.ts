import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { queries, tables } from '../lib/analytics';
import { built } from '../lib/packages';
import { large, part, small, templates } from './support';

const settings = small();
const of = templates(settings);
const more = templates(large());
const stack = (name: string) => part(of, name);

describe('state', () => {
  const state = stack('state');
  it('has a stream that is encrypted and kept', () => {
    state.hasResource('AWS::Kinesis::Stream', {
      Properties: { Name: 'cloudping-events', ShardCount: 1, RetentionPeriodHours: 24, StreamEncryption: { EncryptionType: 'KMS' } },
      DeletionPolicy: 'Retain',
    });
  });
  it('has the table that the programs would make, recoverable and protected', () => {
    state.hasResource('AWS::DynamoDB::Table', {
      Properties: {
        TableName: 'cloudping-live',
        KeySchema: [{ AttributeName: 'p', KeyType: 'HASH' }, { AttributeName: 's', KeyType: 'RANGE' }],
        ProvisionedThroughput: { WriteCapacityUnits: 20, ReadCapacityUnits: 20 },
        TimeToLiveSpecification: { AttributeName: 'e', Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        DeletionProtectionEnabled: true,
      },
      DeletionPolicy: 'Retain',
    });
  });
  it('has a table that is paid for by the request where it was asked for', () => {
    part(more, 'state').hasResourceProperties('AWS::DynamoDB::Table', { BillingMode: 'PAY_PER_REQUEST' });
  });
  it('has the next table beside the one that the other stacks still import', () => {
    const next = part(templates({ ...settings, table: { ...settings.table, generation: 2 } }), 'state');
    next.hasResourceProperties('AWS::DynamoDB::Table', { TableName: 'cloudping-live-2', ProvisionedThroughput: { WriteCapacityUnits: 20, ReadCapacityUnits: 20 } });
    next.hasResource('AWS::DynamoDB::Table', { Properties: { TableName: 'cloudping-live', BillingMode: 'PAY_PER_REQUEST' }, DeletionPolicy: 'Retain' });
    const exported = (template: typeof state) => Object.entries(template.toJSON()['Outputs'] as object).filter(([name]) => name.includes('Live'));
    expect(exported(state).length).toBeGreaterThan(0);
    expect(exported(next)).toEqual(expect.arrayContaining(exported(state)));
  });
  it('has buckets that are closed, encrypted and speak TLS only', () => {
    state.resourceCountIs('AWS::S3::Bucket', 3);
    state.allResourcesProperties('AWS::S3::Bucket', {
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] },
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true },
    });
    state.resourcePropertiesCountIs('AWS::S3::BucketPolicy', {
      PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })]) },
    }, 3);
  });
  it('keeps what the archive replaced for a while', () => {
    state.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      LifecycleConfiguration: { Rules: Match.arrayWith([Match.objectLike({ NoncurrentVersionExpiration: { NoncurrentDays: 7 } })]) },
    });
  });
});

describe('pipeline', () => {
  const pipeline = stack('pipeline');
  it('reads the stream as docs/aws.md says', () => {
    pipeline.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 500,
      MaximumBatchingWindowInSeconds: 10,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRecordAgeInSeconds: 23 * 3600,
      DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
    });
  });
  it('archives by a schedule, and once at a time', () => {
    pipeline.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(5 minutes)' });
    pipeline.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'cloudping-batch-rollup', Timeout: 290, Environment: { Variables: Match.objectLike({ CLOUDPING_UPKEEP: 'yes' }) },
    });
    pipeline.resourceCountIs('AWS::ECS::TaskDefinition', 0);
  });
  it('leaves the upkeep of large tables to tasks', () => {
    const pipeline = part(more, 'pipeline');
    pipeline.hasResourceProperties('AWS::Lambda::Function', { Environment: { Variables: Match.objectLike({ CLOUDPING_UPKEEP: 'no' }) } });
    for (const word of ['compact', 'vacuum']) {
      const input = { 'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp(`"rollup","${word}"`)])] };
      pipeline.hasResourceProperties('AWS::Events::Rule', { Targets: [Match.objectLike({ Input: input })] });
    }
  });
});

describe('producers', () => {
  it('stand one in each region of the list, and write to the home region', () => {
    expect([...of.keys()].filter((name) => name.startsWith('producer-'))).toEqual(['producer-us-east-1', 'producer-eu-west-1']);
    const producer = stack('producer-eu-west-1');
    producer.hasResourceProperties('AWS::Lambda::Function', {
      Timeout: 92,
      Environment: { Variables: { CLOUDPING_STREAM: 'cloudping-events', CLOUDPING_STREAM_REGION: 'us-east-1', CLOUDPING_VANTAGE: 'eu-west-1', CLOUDPING_ROUNDS: '1', CLOUDPING_INTERVAL_MS: '60000', CLOUDPING_PROBES: '5', CLOUDPING_SPREAD_MS: '1000', CLOUDPING_TIMEOUT_MS: '2000', CLOUDPING_METRICS: 'off' } },
    });
    producer.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(1 minute)' });
    producer.hasResourceProperties('AWS::Lambda::Permission', { Principal: 'events.amazonaws.com', SourceArn: Match.anyValue() });
    producer.hasResourceProperties('AWS::Logs::LogGroup', { LogGroupName: '/aws/lambda/cloudping-producer', RetentionInDays: 30 });
  });
  it('report their alarms home, where they are not', () => {
    stack('producer-eu-west-1').resourcePropertiesCountIs('AWS::Events::Rule', { EventPattern: Match.anyValue() }, 1);
    stack('producer-us-east-1').resourcePropertiesCountIs('AWS::Events::Rule', { EventPattern: Match.anyValue() }, 0);
  });
});

describe('serving', () => {
  it('is one instance, unless it is large, which keeps its place and has no way to the internet', () => {
    const small = stack('serving');
    small.resourceCountIs('AWS::EC2::Instance', 1);
    small.resourceCountIs('AWS::ElasticLoadBalancingV2::LoadBalancer', 0);
    small.hasResourceProperties('AWS::EC2::SecurityGroup', { SecurityGroupIngress: [Match.objectLike({ CidrIp: '10.71.0.0/16', FromPort: 8080 })] });
    small.hasResourceProperties('AWS::EC2::LaunchTemplate', { LaunchTemplateData: Match.objectLike({ MetadataOptions: { HttpTokens: 'required' } }) });
    const template = JSON.stringify(small.toJSON());
    expect(template).toContain('[scripts-user, always]');
    expect(template).toContain('CLOUDPING_TABLE=cloudping-live');
    expect(of.has('edge')).toBe(false);
  });
  const serving = part(more, 'serving');
  it('is reached through the edge only', () => {
    serving.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', { Scheme: 'internal' });
    for (const ingress of Object.values(serving.findResources('AWS::EC2::SecurityGroup'))) {
      expect(JSON.stringify(ingress['Properties']['SecurityGroupIngress'] ?? '')).not.toContain('0.0.0.0/0');
    }
    serving.resourceCountIs('AWS::CloudFront::VpcOrigin', 1);
    serving.hasResourceProperties('AWS::CloudFront::Distribution', {
      DistributionConfig: { WebACLId: Match.anyValue(), DefaultCacheBehavior: Match.objectLike({ ViewerProtocolPolicy: 'redirect-to-https' }) },
    });
  });
  it('keeps containers whose data are stale', () => {
    serving.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', { HealthCheckPath: '/metrics' });
  });
  it('takes a domain', () => {
    part(more, 'serving').hasResourceProperties('AWS::CloudFront::Distribution', {
      DistributionConfig: { Aliases: ['ping.example.com'], ViewerCertificate: Match.objectLike({ MinimumProtocolVersion: 'TLSv1.2_2021' }) },
    });
  });
  it('has a firewall that counts by address, where CloudFront looks for it', () => {
    part(more, 'edge').hasResourceProperties('AWS::WAFv2::WebACL', {
      Scope: 'CLOUDFRONT',
      Rules: Match.arrayWith([Match.objectLike({ Statement: { RateBasedStatement: Match.objectLike({ Limit: 5000, AggregateKeyType: 'IP' }) } })]),
    });
  });
});

describe('ingest', () => {
  it('is a door that anybody finds and only keys open, with limits', () => {
    const ingest = part(more, 'ingest');
    ingest.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'NONE' });
    ingest.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'cloudping-ingest-door',
      ReservedConcurrentExecutions: 10,
      Environment: { Variables: { CLOUDPING_STREAM: 'cloudping-events', CLOUDPING_TABLE: 'cloudping-live', CLOUDPING_INGEST_ROUNDS_PER_SECOND: '20', CLOUDPING_INGEST_REQUESTS_PER_MINUTE: '300' } },
    });
    part(more, 'observability').hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmName: 'cloudping-DoorRefusing' });
  });
  it('is not there unless it was asked for', () => {
    expect(of.has('ingest')).toBe(false);
    expect(JSON.stringify(stack('observability').toJSON())).not.toContain('Door');
  });
});

describe('analytics', () => {
  it('has the tables of the archive, word for word but for their place', () => {
    const [first] = tables('tables', 's3://bucket/folder') as unknown as { StorageDescriptor: { Location: string } }[];
    expect(first?.StorageDescriptor.Location).toBe('s3://bucket/folder/samples/');
    stack('analytics').resourceCountIs('AWS::Glue::Table', tables('tables', 'x').length);
    part(more, 'analytics').resourceCountIs('AWS::Glue::Table', 2 * tables('tables', 'x').length);
    expect(JSON.stringify(part(more, 'analytics').toJSON())).toContain('2026-05-01,NOW');
  });
  it('bounds what a query scans, and saves those to begin with', () => {
    stack('analytics').hasResourceProperties('AWS::Athena::WorkGroup', {
      WorkGroupConfiguration: Match.objectLike({ EnforceWorkGroupConfiguration: true, BytesScannedCutoffPerQuery: 10 * 1024 ** 3 }),
    });
    expect(queries().map(({ name }) => name)).toContain('percentiles_of_any_range');
    stack('analytics').resourceCountIs('AWS::Athena::NamedQuery', queries().length);
  });
});

describe('observability', () => {
  it('expects nine of ten rounds, and tells the topic of every alarm', () => {
    const observability = stack('observability');
    observability.hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmName: 'cloudping-Incomplete', Threshold: 27, TreatMissingData: 'breaching' });
    observability.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: Match.anyValue(), AlarmDescription: Match.anyValue() });
    observability.hasResourceProperties('AWS::Budgets::Budget', { Budget: Match.objectLike({ BudgetLimit: { Amount: 80, Unit: 'USD' } }) });
    observability.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
    part(more, 'observability').resourceCountIs('AWS::CloudWatch::Dashboard', 1);
  });
});

describe('each stack', () => {
  it.each([...of.keys()])('%s is as it was', (name) => {
    expect(stack(name).toJSON()).toMatchSnapshot();
  });
  it.each(['serving', 'edge', 'ingest'])('%s is as it was, of all that can be switched on', (name) => {
    expect(part(more, name).toJSON()).toMatchSnapshot();
  });
});

it('packages that are not built are all named, with what builds them', () => {
  expect(() => built(large(), '/nowhere')).toThrow(/producer-arm64\.zip\n.*stream-processor.*\n.*batch-rollup.*\n.*ingest-door.*\n.*query-service.*\n.*release\/cloudping\n.*alerts\.toml\nrun cargo xtask package/);
});
