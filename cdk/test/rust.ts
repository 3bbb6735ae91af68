import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Program } from '../lib/permissions';

const ROOT = path.resolve(import.meta.dirname, '../..');
const BACKEND = 'crates/backend-aws/src';

/** Where a program's code is: its thin package, and what it uses of the domain. */
interface Code {
  readonly folders: readonly string[];
  /** Files of these folders that the program does not run, and why. */
  readonly unused: Readonly<Record<string, string>>;
}

const CODE: Readonly<Record<Exclude<Program, 'upkeep'>, Code>> = {
  producer: { folders: ['producers/aws/src', 'producers/src'], unused: {} },
  'stream-processor': {
    folders: ['stream-processor/aws/src', 'stream-processor/src'],
    unused: {
      'stream-processor/src/audit.rs': 'the auditor recounts in `cloudping up`',
      'stream-processor/src/consumer': 'Lambda reads the stream in its place',
      'stream-processor/src/leases': 'Lambda shares the shards out in its place',
      'stream-processor/src/runner.rs': 'Lambda runs the processor in its place',
    },
  },
  'batch-rollup': { folders: ['batch-rollup/aws/src', 'batch-rollup/src'], unused: {} },
  'ingest-door': { folders: ['ingest-door/aws/src', 'ingest-door/src'], unused: {} },
  'region-manager': { folders: ['region-manager/aws/src', 'region-manager/src'], unused: {} },
  'query-service': { folders: ['query-service/aws/src', 'query-service/src'], unused: {} },
};

/** The files of the backend that make resources: `cloudping up --aws --create` and `doctor` call them, no deployed program does. */
export const SETUP = ['dynamo_table.rs', 'kinesis_stream.rs'];

/** Fluent calls of the SDK, by the name of the client's method, and what allows them. */
export const ACTIONS: Readonly<Record<string, string>> = {
  put_records: 'kinesis:PutRecords',
  list_shards: 'kinesis:ListShards',
  get_shard_iterator: 'kinesis:GetShardIterator',
  get_records: 'kinesis:GetRecords',
  get_item: 'dynamodb:GetItem',
  query: 'dynamodb:Query',
  // Of a transaction's parts.
  put: 'dynamodb:PutItem',
  delete: 'dynamodb:DeleteItem',
  update: 'dynamodb:UpdateItem',
  condition_check: 'dynamodb:ConditionCheckItem',
  get_object: 's3:GetObject',
  publish: 'sns:Publish',
};

/** A file without its tests. */
export function source(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8').split(/^#\[cfg\(test\)\]\nmod /m)[0] ?? '';
}

export function files(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.rs') && !/(^|\/)tests?(\.rs|\/)|_tests\.rs$/.test(name))
    .map((name) => `${folder}/${name}`);
}

const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((found) => found[1] ?? '');

/** The calls of a file of the backend; those that make resources are left out by `SETUP`. */
export function fluentCalls(file: string): string[] {
  const text = source(`${BACKEND}/${file}`);
  const calls = all(text, /\b(?:client|self\.0)\s*\.([a-z_]+)\(\)/g).filter((name) => !['config', 'clone'].includes(name));
  return [...new Set(calls)];
}

export const backendFiles = (): string[] => files(BACKEND).map((file) => path.basename(file));

/** What a transaction is made of. */
function transactionParts(): string[] {
  const text = source(`${BACKEND}/dynamo_writes.rs`);
  const parts = [...all(text, /TransactWriteItem::builder\(\)\s*\.([a-z_]+)\(/g), ...all(text, /\bitem\s*\.([a-z_]+)\(/g)];
  const known = ['put', 'delete', 'update', 'condition_check'];
  return known.filter((name) => parts.includes(name));
}

/** What reading and writing the archive's objects takes, which `object_store` calls and not the SDK. */
const OBJECTS = {
  read: ['s3:GetObject', 's3:ListBucket'],
  write: ['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
};

/** The actions that a program's code calls for. */
export function wantedActions(program: Program): Set<string> {
  // The maintenance of tables, from the command line: reads and writes objects, by the same code as the archive's function.
  if (program === 'upkeep') return new Set([...OBJECTS.read, ...OBJECTS.write]);
  const { folders, unused } = CODE[program];
  const used = folders.flatMap(files).filter((file) => !Object.keys(unused).some((start) => file.startsWith(start)));
  const text = used.map(source).join('\n');
  const calls = new Set<string>();
  const add = (names: readonly string[]) => names.forEach((name) => calls.add(name));
  if (text.includes('KinesisLog::new(')) {
    const log = new Set(all(text, /\blog\s*\.(append|shards|read)\(/g));
    if (log.has('append')) add(fluentCalls('kinesis_writer.rs'));
    if (log.has('shards') || log.has('read')) add(fluentCalls('kinesis_reader.rs'));
  }
  if (text.includes('DynamoStore::new(')) {
    const commits = /\bstore\s*\.commit\(/.test(text);
    add(fluentCalls('dynamo_store.rs').filter((name) => name !== 'transact_write_items'));
    if (commits) add(transactionParts());
  }
  if (text.includes('presigned_get(')) add(['get_object']);
  if (text.includes('SnsTopics::new(')) add(fluentCalls('sns_topics.rs'));
  const actions = [...calls].map((call) => ACTIONS[call] ?? `unknown:${call}`);
  if (text.includes('s3_objects(')) {
    actions.push(...OBJECTS.read);
    if (/CommitBuilder|Archiver::|\.put_opts\(/.test(text)) actions.push(...OBJECTS.write);
  }
  return new Set(actions);
}
