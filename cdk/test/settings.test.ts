import { describe, expect, it } from 'vitest';
import { SettingsError, parse, read } from '../settings';
import { example } from './support';

function faults(value: unknown): readonly string[] {
  try {
    parse(value);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

/** The example with one field set, by its path. */
function changed(path: string, value: unknown): unknown {
  const settings = example();
  const names = path.split('.');
  const last = names.pop() ?? '';
  const at = names.reduce<Record<string, unknown>>((inner, name) => inner[name] as Record<string, unknown>, settings);
  at[last] = value;
  return settings;
}

describe('settings', () => {
  it('as committed are good, and name no account', () => {
    const settings = read(new URL('../settings.json', import.meta.url));
    expect(settings.account).toBe('000000000000');
    expect(settings.serving.domain).toBeNull();
  });

  it('of all regions are the same but for these', () => {
    const planet = read(new URL('../planet.json', import.meta.url));
    expect(planet.producers.regions.length).toBeGreaterThan(30);
    const committed = read(new URL('../settings.json', import.meta.url));
    expect({ ...planet, producers: { ...planet.producers, regions: committed.producers.regions } }).toEqual(committed);
  });

  it.each<[string, unknown, string]>([
    ['name', 'Cloud Ping', 'name is "Cloud Ping", expected up to 20 lower-case letters, digits and -, a letter first'],
    ['account', 123456789012, 'account is 123456789012, expected the 12 digits of an AWS account'],
    ['homeRegion', 'us-gov-west-1', 'homeRegion is "us-gov-west-1", expected a region of the partition aws, such as eu-west-1'],
    ['architecture', 'sparc', 'architecture is "sparc", expected x86_64 or arm64'],
    ['stream.shards', 0, 'stream.shards is 0, expected a whole number from 1 to 200'],
    ['archive.prefix', '/tables/', 'archive.prefix is "/tables/", expected letters, digits, - and _, with slashes between folders only'],
    ['archive.exports', { folder: 'e', since: 'May' }, 'archive.exports.since is "May", expected a day such as 2026-01-31'],
    ['rollup.size', 'huge', 'rollup.size is "huge", expected small or large'],
    ['producers.regions', [], 'producers.regions is [], expected a list of at least 1, each a region of the partition aws, such as eu-west-1'],
    ['producers.regions', ['eu-west-1', 'x'], 'producers.regions[1] is "x", expected a region of the partition aws, such as eu-west-1'],
    ['producers.regions', ['eu-west-1', 'eu-west-1'], 'producers.regions[1] is "eu-west-1", expected each only once'],
    ['producers.intervalSeconds', 7, 'producers.intervalSeconds is 7, expected a divisor of 60: a schedule begins once a minute'],
    ['producers.spreadMs', 60_001, 'producers.spreadMs is 60001, expected a whole number from 1 to 60000'],
    ['table.generation', 0, 'table.generation is 0, expected a whole number from 1 to 1000'],
    ['table.capacity', { writeUnits: 0, readUnits: 1 }, 'table.capacity.writeUnits is 0, expected a whole number from 1 to 40000'],
    ['serving.instance', 't3.small', 'serving.instance is "t3.small", expected one of arm64, such as t4g.small'],
    ['serving.alerts', { rules: 'a.toml', topics: [] }, 'serving.alerts is {"rules":"a.toml","topics":[]}, expected null: a small service has no way to the internet, by which to tell'],
    ['dashboard', 'yes', 'dashboard is "yes", expected true or false'],
    ['ingest', { roundsPerSecond: 1, requestsPerMinute: 7_000, atOnce: null }, 'ingest.requestsPerMinute is 7000, expected a whole number from 1 to 6000'],
    ['serving.cpu', 300, 'serving.cpu is 300, expected one of 256, 512, 1024, 2048, 4096, 8192, 16384'],
    ['serving.memoryMiB', 8192, 'serving.memoryMiB is 8192, expected 1024 to 4096 in steps of 1024, as Fargate has for 512 CPU units'],
    ['serving.domain', { name: 'a.example', certificateArn: 'arn:aws:acm:eu-west-1:000000000000:certificate/0a' }, 'serving.domain.certificateArn is "arn:aws:acm:eu-west-1:000000000000:certificate/0a", expected the ARN of a certificate in us-east-1, where CloudFront looks'],
    ['alarms.email', 'nobody', 'alarms.email is "nobody", expected an address, or null for none'],
    ['budget.monthlyUsd', 1.5, 'budget.monthlyUsd is 1.5, expected a whole number from 1 to 1000000'],
    ['serving', null, 'serving is null, expected an object'],
  ])('%s: %j', (path, value, fault) => {
    expect(faults(changed(path, value))).toEqual([fault]);
  });

  it('name every fault at once, those of unknown fields too', () => {
    const settings = example();
    delete settings['account'];
    settings.rollup['everyMinutes'] = 'often';
    settings.serving['cpus'] = 2;
    expect(faults(settings)).toEqual([
      'account is missing, expected the 12 digits of an AWS account',
      'rollup.everyMinutes is "often", expected a whole number from 2 to 60',
      'serving.cpus is unknown, expected size, instance, cpu, memoryMiB, alerts, tasks, refreshMs, requestsPer5Minutes, domain',
    ]);
    expect(faults([])[0]).toBe('the file is [], expected an object');
  });

  it('that cannot be read say so', () => {
    expect(() => read('/nowhere/settings.json')).toThrow(/settings\.json:\n.*ENOENT.*expected a file of JSON/);
  });
});
