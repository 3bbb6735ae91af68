import { readFileSync } from 'node:fs';
import { A_REGION, REGION, SettingsError } from '../settings';
import { Reader } from './reader';

/** Where the UDP gateway and its packet counters stand: `gateway.json`, checked. */
export interface GatewaySettings {
  /** What the stacks' names begin with. */
  readonly name: string;
  readonly account: string;
  /** Where the gateway runs. */
  readonly homeRegion: string;
  readonly architecture: 'x86_64' | 'arm64';
  /** Where packets are counted. */
  readonly regions: readonly string[];
  /** Whose packets are taken. */
  readonly clients: string;
  readonly port: number;
  /** The query service by whose latencies batches are routed. */
  readonly matrixUrl: string | null;
}

/** The settings, or a {@link SettingsError} of every fault at once. */
export function parse(value: unknown): GatewaySettings {
  const faults: string[] = [];
  const root = new Reader(value, '', faults);
  const settings: GatewaySettings = {
    name: root.text('name', /^[a-z][a-z0-9-]{0,19}$/, 'up to 20 lower-case letters, digits and -, a letter first'),
    account: root.text('account', /^\d{12}$/, 'the 12 digits of an AWS account'),
    homeRegion: root.text('homeRegion', REGION, A_REGION),
    architecture: root.choice('architecture', ['x86_64', 'arm64']),
    regions: root.texts('regions', REGION, A_REGION, 1),
    clients: root.text('clients', /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, 'a network of IPv4 such as 203.0.113.0/24'),
    port: root.whole('port', 1024, 65535),
    matrixUrl: root.isNull('matrixUrl') ? null : root.text('matrixUrl', /^https?:\/\/[A-Za-z0-9.:/_-]+$/, 'an address such as https://ping.example.com, or null'),
  };
  root.end();
  if (faults.length > 0) throw new SettingsError(faults, 'gateway.json');
  return settings;
}

/** Reads and checks a file of settings. */
export function read(file: string | URL): GatewaySettings {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SettingsError([`${(error as Error).message}, expected a file of JSON`], 'gateway.json');
  }
  return parse(value);
}
