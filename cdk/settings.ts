import { readFileSync } from 'node:fs';
import { Reader } from './lib/reader';

/** What is deployed, where, and how large: `settings.json`, checked. */
export interface Settings {
  /** What names of streams, tables and functions begin with. */
  readonly name: string;
  readonly account: string;
  /** Where all but the producers and the edge run. */
  readonly homeRegion: string;
  readonly architecture: 'x86_64' | 'arm64';
  readonly stream: { readonly shards: number; readonly retentionHours: number };
  readonly table: {
    /** Which of the live stores: 1, or more where a replay has made it anew. */
    readonly generation: number;
    /** Units a second; `null` pays for each request instead, dearer but without a limit. */
    readonly capacity: { readonly writeUnits: number; readonly readUnits: number } | null;
  };
  readonly archive: {
    /** What the keys of the tables begin with. */
    readonly prefix: string;
    /** How long a vacuum keeps what was replaced. */
    readonly keepHours: number;
    /** How long S3 keeps what was deleted or overwritten. */
    readonly oldVersionsDays: number;
    /** An export that the query service hands out and that Athena knows; `since` is its first day. */
    readonly exports: { readonly folder: string; readonly since: string } | null;
  };
  readonly rollup: {
    /** `small`: the function does it all. `large`: a Fargate task compacts and vacuums. */
    readonly size: 'small' | 'large';
    readonly everyMinutes: number;
  };
  readonly producers: {
    readonly regions: readonly string[];
    readonly intervalSeconds: number;
    /** Probes to each target in a round. */
    readonly probes: number;
    /** In which time they leave: a function is paid for as long. */
    readonly spreadMs: number;
    readonly timeoutMs: number;
  };
  /** Has the region manager deploy producers, to every region that the account has enabled; `null` for a stack in each of `producers.regions`. */
  readonly regionManager: {
    /** Opt-in regions that it may enable. */
    readonly enable: readonly string[];
    /** Regions that get no producer. */
    readonly leaveOut: readonly string[];
  } | null;
  readonly serving: {
    /** `small`: one instance. `large`: Fargate tasks behind a load balancer. */
    readonly size: 'small' | 'large';
    /** The type of the instance, of `small`. */
    readonly instance: string;
    /** CPU units, memory and number of the tasks, of `large`. */
    readonly cpu: number;
    readonly memoryMiB: number;
    readonly tasks: number;
    readonly refreshMs: number;
    /** Of one address, before WAF refuses it; `null` for no WAF: the service has budgets of its own. */
    readonly requestsPer5Minutes: number | null;
    readonly domain: { readonly name: string; readonly certificateArn: string } | null;
    /** A file of alert rules, beside settings.json, and the topics that its rules may name. */
    readonly alerts: { readonly rules: string; readonly topics: readonly string[] } | null;
  };
  readonly analytics: { readonly scanLimitGiB: number };
  /** A door for vantage points that cannot write to the stream, with what one of them may send; `null` for none. */
  readonly ingest: {
    readonly roundsPerSecond: number;
    readonly requestsPerMinute: number;
    /** Requests that are handled at once, taken from the account's concurrency; `null` for whatever the account has left. */
    readonly atOnce: number | null;
  } | null;
  /** Whether there is a page in CloudWatch. */
  readonly dashboard: boolean;
  readonly alarms: { readonly email: string | null };
  readonly budget: { readonly monthlyUsd: number; readonly email: string | null };
}

/** All that is wrong with the settings. */
export class SettingsError extends Error {
  constructor(readonly faults: readonly string[], file = 'settings.json') {
    super(`${file}:\n  ${faults.join('\n  ')}`);
    this.name = 'SettingsError';
  }
}

export const REGION = /^(?!cn-|us-gov-|us-iso|eu-isoe|eusc-)[a-z]{2}(-[a-z]+)+-\d$/;
export const A_REGION = 'a region of the partition aws, such as eu-west-1';
const FOLDER = /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/;
const A_FOLDER = 'letters, digits, - and _, with slashes between folders only';
const MAIL = /^[^@\s]+@[^@\s]+\.[^@\s]+$/;
const TOPIC = /^arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?$/;
const CERTIFICATE = /^arn:aws:acm:us-east-1:\d{12}:certificate\/[0-9a-f-]+$/;
const HOST = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/;

/** Memory (GiB) that Fargate has for each CPU: least and most. */
const FARGATE: Readonly<Record<number, readonly [number, number]>> = {
  256: [0.5, 2], 512: [1, 4], 1024: [2, 8], 2048: [4, 16], 4096: [8, 30], 8192: [16, 60], 16384: [32, 120],
};

/** The settings, or a {@link SettingsError} of every fault at once. */
export function parse(value: unknown): Settings {
  const faults: string[] = [];
  const root = new Reader(value, '', faults);
  const settings: Settings = {
    name: root.text('name', /^[a-z][a-z0-9-]{0,19}$/, 'up to 20 lower-case letters, digits and -, a letter first'),
    account: root.text('account', /^\d{12}$/, 'the 12 digits of an AWS account'),
    homeRegion: root.text('homeRegion', REGION, A_REGION),
    architecture: root.choice('architecture', ['x86_64', 'arm64']),
    stream: root.object('stream', (at) => ({ shards: at.whole('shards', 1, 200), retentionHours: at.whole('retentionHours', 24, 8760) })),
    table: root.object('table', (at) => ({
      generation: at.whole('generation', 1, 1_000),
      capacity: at.optional('capacity', (inner) => ({ writeUnits: inner.whole('writeUnits', 1, 40_000), readUnits: inner.whole('readUnits', 1, 40_000) })),
    })),
    archive: root.object('archive', archive),
    rollup: root.object('rollup', (at) => ({
      size: at.choice('size', ['small', 'large']),
      everyMinutes: at.whole('everyMinutes', 2, 60),
    })),
    producers: root.object('producers', producers),
    regionManager: root.optional('regionManager', (at) => ({
      enable: at.texts('enable', REGION, A_REGION, 0),
      leaveOut: at.texts('leaveOut', REGION, A_REGION, 0),
    })),
    serving: root.object('serving', (at) => serving(at, value)),
    analytics: root.object('analytics', (at) => ({ scanLimitGiB: at.whole('scanLimitGiB', 1, 10_000) })),
    ingest: root.optional('ingest', (at) => ({
      roundsPerSecond: at.whole('roundsPerSecond', 1, 100_000),
      requestsPerMinute: at.whole('requestsPerMinute', 1, 6_000),
      atOnce: at.isNull('atOnce') ? null : at.whole('atOnce', 1, 1_000),
    })),
    dashboard: root.choice('dashboard', [true, false]),
    alarms: root.object('alarms', (at) => ({ email: mail(at) })),
    budget: root.object('budget', (at) => ({ monthlyUsd: at.whole('monthlyUsd', 1, 1_000_000), email: mail(at) })),
  };
  root.end();
  if (faults.length > 0) throw new SettingsError(faults);
  return settings;
}

function archive(at: Reader): Settings['archive'] {
  return {
    prefix: at.text('prefix', FOLDER, A_FOLDER),
    keepHours: at.whole('keepHours', 1, 168),
    oldVersionsDays: at.whole('oldVersionsDays', 1, 365),
    exports: at.optional('exports', (inner) => ({
      folder: inner.text('folder', FOLDER, A_FOLDER),
      since: inner.text('since', /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, 'a day such as 2026-01-31'),
    })),
  };
}

function producers(at: Reader): Settings['producers'] {
  const intervalSeconds = at.whole('intervalSeconds', 1, 60);
  at.require('intervalSeconds', 60 % intervalSeconds === 0, intervalSeconds, 'a divisor of 60: a schedule begins once a minute');
  return {
    regions: at.texts('regions', REGION, A_REGION, 1),
    intervalSeconds,
    probes: at.whole('probes', 1, 20),
    spreadMs: at.whole('spreadMs', 1, intervalSeconds * 1000),
    timeoutMs: at.whole('timeoutMs', 100, 10_000),
  };
}

/** Families of Graviton, whose programs are of arm64: t4g, m7gd, c8gn. */
const GRAVITON = /^[a-z]+\d+g/;

function serving(at: Reader, root: unknown): Settings['serving'] {
  const size = at.choice('size', ['small', 'large']);
  const instance = at.text('instance', /^[a-z][a-z0-9-]*\.[a-z0-9]+$/, 'a type of EC2 such as t3.small');
  const { architecture } = root as { architecture?: unknown };
  const arm = architecture === 'arm64';
  const fits = GRAVITON.test(instance) === arm || !['arm64', 'x86_64'].includes(architecture as string);
  at.require('instance', size === 'large' || fits, instance, arm ? 'one of arm64, such as t4g.small' : 'one of x86_64, such as t3.small');
  const cpu = at.whole('cpu', 256, 16384);
  const memoryMiB = at.whole('memoryMiB', 512, 122_880);
  const range = FARGATE[cpu];
  at.require('cpu', range !== undefined, cpu, `one of ${Object.keys(FARGATE).join(', ')}`);
  if (range) {
    const [least, most] = [range[0] * 1024, range[1] * 1024];
    const step = memoryMiB === 512 || memoryMiB % 1024 === 0;
    at.require('memoryMiB', memoryMiB >= least && memoryMiB <= most && step, memoryMiB, `${least} to ${most} in steps of 1024, as Fargate has for ${cpu} CPU units`);
  }
  const alerts = at.optional('alerts', rules);
  at.require('alerts', size === 'large' || alerts === null, alerts, 'null: a small service has no way to the internet, by which to tell');
  return {
    size,
    instance,
    cpu,
    memoryMiB,
    tasks: at.whole('tasks', 1, 10),
    refreshMs: at.whole('refreshMs', 100, 5_000),
    requestsPer5Minutes: at.isNull('requestsPer5Minutes') ? null : at.whole('requestsPer5Minutes', 10, 2_000_000_000),
    domain: at.optional('domain', (inner) => ({
      name: inner.text('name', HOST, 'a host name such as ping.example.com'),
      certificateArn: inner.text('certificateArn', CERTIFICATE, 'the ARN of a certificate in us-east-1, where CloudFront looks'),
    })),
    alerts,
  };
}

function rules(at: Reader): { readonly rules: string; readonly topics: readonly string[] } {
  return {
    rules: at.text('rules', /^[A-Za-z0-9_.-]+$/, 'the name of a file beside settings.json'),
    topics: at.texts('topics', TOPIC, 'the ARN of an SNS topic', 0),
  };
}

function mail(at: Reader): string | null {
  return at.isNull('email') ? null : at.text('email', MAIL, 'an address, or null for none');
}

/** Reads and checks a file of settings. */
export function read(file: string | URL): Settings {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SettingsError([`${(error as Error).message}, expected a file of JSON`]);
  }
  return parse(value);
}
