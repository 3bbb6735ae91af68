import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { deployment } from '../lib/deployment';
import { placeholders } from '../lib/packages';
import { parse, type Settings } from '../settings';

type Json = Record<string, unknown>;

/** The flags of cdk.json, which only its own program reads. */
export const context = (JSON.parse(readFileSync(new URL('../cdk.json', import.meta.url), 'utf8')) as { context: Json }).context;

/** What is committed, as JSON; each call a copy. */
export const example = (): Json & Record<'archive' | 'rollup' | 'table' | 'producers' | 'serving' | 'alarms' | 'budget', Json> =>
  JSON.parse(readFileSync(new URL('../settings.json', import.meta.url), 'utf8')) as never;

/** Two regions, and nothing that can be left away. */
export function small(): Settings {
  const settings = example();
  settings.producers['regions'] = ['us-east-1', 'eu-west-1'];
  return parse(settings);
}

/** The same with the region manager in the place of producers' stacks. */
export const managed = (): Settings => ({ ...small(), regionManager: { enable: ['af-south-1'], leaveOut: ['us-west-1'] } });

/** What is deployed to a local AWS server: two regions, with a door. */
export function deployed(): Settings {
  return parse(withDoor());
}

/** The same with other settings, by which its stacks are updated. */
export function changed(): Settings {
  const settings = withDoor();
  settings.producers['probes'] = 3;
  settings.rollup['everyMinutes'] = 10;
  settings.table['generation'] = 2;
  settings.table['capacity'] = { writeUnits: 30, readUnits: 20 };
  return parse(settings);
}

function withDoor(): ReturnType<typeof example> {
  const settings = example();
  settings.producers['regions'] = ['us-east-1', 'eu-west-1'];
  settings['ingest'] = { roundsPerSecond: 20, requestsPerMinute: 300, atOnce: null };
  return settings;
}

/** Everything that can be switched on. */
export function large(): Settings {
  const settings = example();
  settings['homeRegion'] = 'eu-west-1';
  settings.producers['regions'] = ['eu-west-1', 'us-west-2'];
  settings.rollup['size'] = 'large';
  settings.table['capacity'] = null;
  settings.serving['size'] = 'large';
  settings.serving['requestsPer5Minutes'] = 5000;
  settings['ingest'] = { roundsPerSecond: 20, requestsPerMinute: 300, atOnce: 10 };
  settings['dashboard'] = true;
  settings.archive['exports'] = { folder: 'export', since: '2026-05-01' };
  settings.serving['alerts'] = { rules: 'alerts.toml', topics: ['arn:aws:sns:eu-west-1:000000000000:on-call'] };
  settings.serving['domain'] = { name: 'ping.example.com', certificateArn: 'arn:aws:acm:us-east-1:000000000000:certificate/0a-1' };
  settings.alarms['email'] = 'ops@example.com';
  settings.budget['email'] = 'ops@example.com';
  return parse(settings);
}

/** The templates of a deployment, by the stacks' parts: `state`, `pipeline`, `producer-eu-west-1`, … */
export function templates(settings: Settings): Map<string, Template> {
  const app = new App({ context });
  const stacks = deployment(app, settings, placeholders());
  return new Map(stacks.map((stack) => [stack.stackName.slice(settings.name.length + 1), Template.fromStack(stack)]));
}

export function part(of: Map<string, Template>, name: string): Template {
  const found = of.get(name);
  if (!found) throw new Error(`no stack ${name}, expected one of ${[...of.keys()].join(', ')}`);
  return found;
}
