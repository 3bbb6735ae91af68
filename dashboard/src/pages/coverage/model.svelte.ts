/** Everything the page of the coverage shows, as reactive state. */

import { get, getHealth, post, type Health, type Schemas } from '../../api';
import { serverClock } from '../../lib/clock';
import { Answer } from '../../state/answer.svelte';
import { catalogue } from '../../state/catalogue.svelte';

const PERIOD_MS = 5_000;
/** What is counted out of the samples costs more. */
const SAMPLES_PERIOD_MS = 300_000;

export interface Present {
  ledger: Schemas['Coverage'];
  pairs: Schemas['PairsCoverage'];
  /** Null where it cannot be had. */
  health: Health | null;
}

/** What only the archive knows, by vantage point. */
export interface Archived {
  /** Probes of the last hour whose name had no address. */
  dnsFailures: ReadonlyMap<string, number>;
  /** First hour or day in the rollups, Unix ms. */
  since: ReadonlyMap<string, number>;
}

const DNS = `select source, count(*) from samples
  where date >= cast(now() - interval '1 hour' as date) and ts >= now() - interval '1 hour' and outcome = 'dns_failure' group by source`;
const SINCE = `select source, min(start) from (select source, cast(day as timestamp) as start from rollup_1d
  union all select source, cast(hour as timestamp) from rollup_1h where date >= cast(now() - interval '2 days' as date)) group by source`;

async function rowsOf(query: string, signal: AbortSignal): Promise<[string, string | number][]> {
  const body = (await post('/api/v1/sql', { query }, signal)) as unknown as { rows: [string, string | number][] };
  return body.rows;
}

async function askPresent(signal: AbortSignal): Promise<Present> {
  const [ledger, pairs, health] = await Promise.all([
    get('/api/v1/coverage', null, signal),
    get('/api/v1/coverage/pairs', null, signal),
    getHealth(signal).catch(() => null),
  ]);
  catalogue.simulated = pairs.simulated;
  return { ledger, pairs, health };
}

async function askArchived(signal: AbortSignal): Promise<Archived> {
  const [failures, since] = await Promise.all([rowsOf(DNS, signal), rowsOf(SINCE, signal)]);
  return {
    dnsFailures: new Map(failures.map(([source, count]) => [source, Number(count)])),
    // The engine's bare timestamps are UTC.
    since: new Map(since.map(([source, start]) => [source, Date.parse(`${String(start).slice(0, 19)}Z`)])),
  };
}

export class CoverageModel {
  readonly present = new Answer<Present>();
  readonly archived = new Answer<Archived>();
  readonly account = new Answer<Schemas['AccountRegions']>();

  /** Keeps all up to date until the returned function is called. */
  follow(): () => void {
    const stops = [
      this.present.follow(askPresent, PERIOD_MS, () => serverClock.at(Date.now())),
      this.archived.follow(askArchived, SAMPLES_PERIOD_MS),
      this.account.follow((signal) => get('/api/v1/regions/account', null, signal), SAMPLES_PERIOD_MS),
    ];
    return () => stops.forEach((stop) => stop());
  }
}
