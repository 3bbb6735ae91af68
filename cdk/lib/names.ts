import type { Settings } from '../settings';

/** Names that other regions must know without being told. */
export const streamName = (settings: Settings): string => `${settings.name}-events`;
export const tableName = ({ name, table }: Settings, generation = table.generation): string => (generation === 1 ? `${name}-live` : `${name}-live-${generation}`);

export const streamArn = (settings: Settings): string =>
  `arn:aws:kinesis:${settings.homeRegion}:${settings.account}:stream/${streamName(settings)}`;

/** Names of the alarms that producers' regions report to the home region. */
export const producerAlarm = (settings: Settings, what: string): string => `${settings.name}-producer-${what}`;
