import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { deployment } from '../lib/deployment';
import { nag } from '../lib/nag';
import { built, placeholders } from '../lib/packages';
import { LOGS, STREAM_WRITE, roleOf } from '../lib/permissions';
import { SettingsError, parse, type Settings } from '../settings';
import { files, source } from './rust';
import { context, example, managed as withManager, part, small, templates } from './support';

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}
interface Role {
  readonly Properties: { readonly RoleName?: string; readonly Policies: readonly { readonly PolicyDocument: { readonly Statement: Statement[] } }[] };
}

const managed: Settings = withManager();
const of = templates(managed);
const stack = part(of, 'region-manager');

/** The statements of a role by the program that it is for. */
function role(program: 'region-manager' | 'producer', from = stack): { readonly name: string | undefined; readonly statements: Statement[] } {
  const found = Object.values(from.findResources('AWS::IAM::Role', { Properties: { Description: roleOf(program) } })) as Role[];
  expect(found).toHaveLength(1);
  const { RoleName, Policies } = (found[0] as Role).Properties;
  return { name: RoleName, statements: Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement) };
}

const actions = (statements: readonly Statement[]) => statements.flatMap(({ Action }) => Action);

/** The calls of the SDK in the program's source; the fields of its clients are called as IAM calls the services. */
function called(): string[] {
  const text = files('region-manager/aws/src').map(source).join('\n');
  const calls = [...text.matchAll(/\bself\s*\.(lambda|events|logs|cloudwatch|account)\s*\.([a-z_]+)\(\)/g)];
  const pascal = (name = '') => name.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return [...new Set(calls.map(([, service, name]) => `${service}:${pascal(name)}`))];
}

describe('the region manager', () => {
  it('takes the place of the stacks of regions', () => {
    expect([...of.keys()].filter((name) => name.startsWith('producer-'))).toEqual([]);
    expect([...templates(small()).keys()]).not.toContain('region-manager');
  });

  it('runs by a schedule, with the settings it was deployed by', () => {
    stack.hasResourceProperties('AWS::Events::Rule', { Name: 'cloudping-region-manager', ScheduleExpression: 'rate(6 hours)' });
    stack.hasResourceProperties('AWS::Lambda::Function', { FunctionName: 'cloudping-region-manager', Timeout: 900 });
    const [own] = Object.values(stack.findResources('AWS::Lambda::Function'));
    const { CLOUDPING_SETTINGS: settings } = own?.['Properties'].Environment.Variables;
    expect(JSON.parse(settings)).toEqual({
      name: 'cloudping', account: '000000000000', homeRegion: 'us-east-1', architecture: 'arm64', producers: managed.producers, regionManager: managed.regionManager,
    });
  });

  it('may do what its code does, and nothing else', () => {
    const { statements } = role('region-manager');
    const beside = ['iam:PassRole', 'iam:PassRole', 'lambda:ListTags', 's3:GetObject', 's3:PutObject', ...LOGS];
    expect(called().length).toBeGreaterThan(20);
    expect(actions(statements).toSorted()).toEqual([...called(), ...beside].toSorted());
    expect(statements.filter(({ Resource }) => Resource === '*')).toEqual([]);
  });

  it('may enable the regions of its list alone', () => {
    const enabling = (from: Settings) => role('region-manager', part(templates(from), 'region-manager')).statements.filter(({ Action }) => Action === 'account:EnableRegion');
    expect(enabling(managed)).toEqual([expect.objectContaining({ Condition: { StringEquals: { 'account:TargetRegion': ['af-south-1'] } } })]);
    expect(enabling({ ...managed, regionManager: { enable: [], leaveOut: [] } })).toEqual([]);
    expect(called()).not.toContain('account:DisableRegion');
  });

  it('gives producers a role that may write rounds and a log', () => {
    const { name, statements } = role('producer');
    expect(name).toBe('cloudping-producer');
    expect(actions(statements)).toEqual([...STREAM_WRITE, ...LOGS]);
    const passed = role('region-manager').statements.filter(({ Action }) => Action === 'iam:PassRole');
    const passedTo = (service: string) => expect.objectContaining({ Condition: { StringEquals: { 'iam:PassedToService': service } } });
    expect(passed).toEqual([passedTo('lambda.amazonaws.com'), passedTo('events.amazonaws.com')]);
  });

  it('gives the rules of alarms a role that may tell the home region and nothing else', () => {
    const [found] = Object.values(stack.findResources('AWS::IAM::Role', { Properties: { RoleName: 'cloudping-producer-report' } })) as Role[];
    expect(found?.Properties.Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)).toEqual([
      { Action: 'events:PutEvents', Effect: 'Allow', Resource: 'arn:aws:events:us-east-1:000000000000:event-bus/default' },
    ]);
  });

  it('tells of regions that fail', () => {
    stack.hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmName: 'cloudping-producer-regions', Threshold: 0 });
  });

  it('keeps the rules of AwsSolutions', () => {
    const app = new App({ context });
    nag(app, deployment(app, managed, placeholders()));
    const messages = app.synth().getStackByName('cloudping-region-manager').messages;
    expect(messages.map(({ entry }) => String(entry.data)).filter((text) => /AwsSolutions|CdkNag/.test(text))).toEqual([]);
  });

  it('is as it was', () => {
    expect(stack.toJSON()).toMatchSnapshot();
  });
});

/** What `region-manager/tests/all/golden.rs` says that a region gets. */
interface Golden {
  readonly settings: { readonly producers: Record<string, number> };
  readonly region: string;
  readonly producer: {
    readonly tags: Record<string, string>;
    readonly function: { readonly architecture: string; readonly runtime: string; readonly handler: string; readonly memoryMiB: number; readonly timeoutSeconds: number; readonly environment: Record<string, string>; readonly retries: number };
    readonly logRetentionDays: number;
    readonly schedule: string;
    readonly targetRetries: number;
    readonly alarm: { readonly description: string; readonly namespace: string; readonly metric: string; readonly statistic: string; readonly periodSeconds: number; readonly evaluationPeriods: number; readonly threshold: number; readonly comparison: string; readonly missing: string };
    readonly report: { readonly pattern: unknown; readonly to: string };
  };
}

it('gives a region what a stack would', () => {
  const golden = JSON.parse(readFileSync(new URL('../../region-manager/golden/producer.json', import.meta.url), 'utf8')) as Golden;
  const own = example();
  const settings = parse({ ...own, ...golden.settings, producers: { ...own.producers, ...golden.settings.producers, regions: [golden.region] } });
  const producer = part(templates(settings), `producer-${golden.region}`);
  const { function: is, tags, logRetentionDays, schedule, targetRetries, alarm, report } = golden.producer;
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  producer.hasResourceProperties('AWS::Lambda::Function', {
    FunctionName: `${settings.name}-producer`,
    Architectures: [is.architecture], Runtime: is.runtime, Handler: is.handler, MemorySize: is.memoryMiB, Timeout: is.timeoutSeconds, Tags,
    // Not one variable more.
    Environment: { Variables: Match.objectEquals(is.environment) },
  });
  producer.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: is.retries });
  producer.hasResourceProperties('AWS::Logs::LogGroup', { LogGroupName: `/aws/lambda/${settings.name}-producer`, RetentionInDays: logRetentionDays, Tags });
  producer.hasResourceProperties('AWS::Events::Rule', {
    Name: `${settings.name}-producer`, ScheduleExpression: schedule, State: 'ENABLED', Targets: [Match.objectLike({ RetryPolicy: { MaximumRetryAttempts: targetRetries } })],
  });
  producer.hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmName: `${settings.name}-producer-failing`, AlarmDescription: alarm.description, Namespace: alarm.namespace, MetricName: alarm.metric, Statistic: alarm.statistic,
    Dimensions: [{ Name: 'FunctionName', Value: Match.anyValue() }], Period: alarm.periodSeconds, EvaluationPeriods: alarm.evaluationPeriods, Threshold: alarm.threshold,
    ComparisonOperator: alarm.comparison, TreatMissingData: alarm.missing, AlarmActions: Match.absent(),
  });
  producer.hasResourceProperties('AWS::Events::Rule', { EventPattern: report.pattern, Targets: [Match.objectLike({ Arn: report.to })] });
});

it('settings name regions, or are refused', () => {
  const faulty = { ...example(), regionManager: { enable: ['all'], leaveOut: [] } };
  expect(() => parse(faulty)).toThrow(SettingsError);
  expect(() => parse(faulty)).toThrow(/regionManager\.enable\[0\] is "all", expected a region/);
});

it('its package is asked for where it is deployed', () => {
  expect(() => built(managed, '/nowhere')).toThrow(/region-manager-arm64\.zip/);
  expect(() => built(small(), '/nowhere')).not.toThrow(/region-manager/);
});
