import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { EVENT_SOURCE, LOGS, roleOf, type Program } from '../lib/permissions';
import { ACTIONS, SETUP, backendFiles, fluentCalls, wantedActions } from './rust';
import { large, part, small, templates } from './support';

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
}

interface Role {
  readonly Description?: string;
  readonly Policies?: readonly { readonly PolicyDocument: { readonly Statement: Statement[] } }[];
  readonly ManagedPolicyArns?: unknown[];
}

const resources = (of: Template, type: string) => of.findResources(type) as Record<string, { Properties: never }>;

/** The statements of a program's role; there is one such role in a stack, and nothing else is attached to it. */
function statements(of: Template, program: Program): Statement[] {
  const roles = Object.entries(resources(of, 'AWS::IAM::Role')).filter(([, role]) => (role.Properties as Role).Description === roleOf(program));
  expect(roles).toHaveLength(1);
  const [id, role] = roles[0] as [string, { Properties: Role }];
  expect(role.Properties.ManagedPolicyArns).toBeUndefined();
  const attached = Object.values(resources(of, 'AWS::IAM::Policy')).filter((policy) => JSON.stringify((policy.Properties as { Roles: unknown }).Roles).includes(`"${id}"`));
  expect(attached).toEqual([]);
  return (role.Properties.Policies ?? []).flatMap((policy) => policy.PolicyDocument.Statement);
}

function differences(called: ReadonlySet<string>, allowed: ReadonlySet<string>, platform: readonly string[]): string[] {
  const needed = new Set([...called, ...platform]);
  const missing = [...needed].filter((action) => !allowed.has(action)).map((action) => `not allowed: ${action}`);
  return [...missing, ...[...allowed].filter((action) => !needed.has(action)).map((action) => `not called: ${action}`)];
}

const everything = large();
const of = templates(everything);
const less = templates(small());

/** Where a program's role is, and what the platform does in its name, though no code of ours calls it. */
const ROLES: readonly { program: Program; stack: string; platform: readonly string[]; templates?: typeof of }[] = [
  { program: 'producer', stack: 'producer-us-west-2', platform: LOGS },
  { program: 'stream-processor', stack: 'pipeline', platform: [...LOGS, ...EVENT_SOURCE, 'sqs:SendMessage'] },
  { program: 'batch-rollup', stack: 'pipeline', platform: LOGS },
  { program: 'upkeep', stack: 'pipeline', platform: [] },
  { program: 'query-service', stack: 'serving', platform: [] },
  { program: 'query-service', stack: 'serving', platform: [], templates: less },
  { program: 'ingest-door', stack: 'ingest', platform: LOGS },
];

describe.each(ROLES)('the role of $program', ({ program, stack, platform, templates: from = of }) => {
  const own = statements(part(from, stack), program);
  const allowed = new Set(own.flatMap(({ Action }) => Action));
  const called = wantedActions(program);
  // Topics are told by a large service only.
  if (from === less) called.delete('sns:Publish');

  it('allows each call of the code, and nothing else', () => {
    expect(called.size).toBeGreaterThan(0);
    expect(differences(called, allowed, platform)).toEqual([]);
  });

  it('would not pass with one permission less, or one more', () => {
    const fewer = [...allowed].map((one) => differences(called, new Set([...allowed].filter((other) => other !== one)), platform));
    expect(fewer.every(({ length }) => length === 1)).toBe(true);
    expect(differences(called, new Set([...allowed, 'kinesis:DeleteStream']), platform)).toEqual(['not called: kinesis:DeleteStream']);
  });

  it('names what it is for', () => {
    for (const { Resource } of own) {
      for (const one of [Resource].flat()) expect(one).not.toBe('*');
    }
    expect([...allowed].filter((action) => action.includes('*'))).toEqual([]);
  });
});

describe('the calls of the code', () => {
  it('are each known here, so that a new one cannot go without a permission', () => {
    const files = backendFiles().filter((file) => !SETUP.includes(file) && file !== 's3_bucket.rs');
    const calls = new Set(files.flatMap(fluentCalls));
    calls.delete('transact_write_items');
    expect([...calls].filter((call) => !(call in ACTIONS))).toEqual([]);
    expect(calls).toContain('put_records');
    expect(calls).toContain('publish');
  });

  it('differ from program to program', () => {
    const called = wantedActions('producer');
    expect(called).toEqual(new Set(['kinesis:PutRecords']));
    expect(wantedActions('batch-rollup')).not.toContain('kinesis:PutRecords');
    expect(wantedActions('query-service')).not.toContain('s3:PutObject');
  });
});

it('topics may be told only where there are alerts', () => {
  const without = statements(part(less, 'serving'), 'query-service');
  expect(without.flatMap(({ Action }) => Action)).not.toContain('sns:Publish');
});

it('stars stand for a resource only where AWS knows none', () => {
  for (const [name, template] of of) {
    for (const [id, policy] of Object.entries(resources(template, 'AWS::IAM::Policy'))) {
      const { Statement } = (policy.Properties as { PolicyDocument: { Statement: Statement[] } }).PolicyDocument;
      const open = Statement.filter(({ Resource }) => Resource === '*').flatMap(({ Action }) => Action);
      expect(open.filter((action) => action !== 'ecr:GetAuthorizationToken'), `${name}: ${id}`).toEqual([]);
    }
  }
});
