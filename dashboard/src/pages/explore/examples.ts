/** Statements to begin with. Each runs on any service; the end-to-end tests run them all. */

export interface Example {
  title: string;
  query: string;
}

export const EXAMPLES: readonly [Example, ...Example[]] = [
  {
    title: 'p99 of seven days, out of merged digests',
    query: `select target, digest_quantile(digest_merge(digest), 0.99) / 1000 as p99_ms, sum(received) as samples
from rollup_1h
where source = 'us-east-1' and protocol = 'tcp' and date >= cast(now() - interval '7 days' as date)
group by target
order by p99_ms desc nulls last`,
  },
  {
    title: 'The slowest pairs of the last hour',
    query: `select source, target, p50_us / 1000.0 as p50_ms, p99_us / 1000.0 as p99_ms, received
from live
where "window" = '1h' and protocol = 'tcp'
order by p50_us desc nulls last
limit 20`,
  },
  {
    title: 'One pair, minute by minute',
    query: `select date_bin(interval '1 minute', ts) as minute,
  median(rtt_us) / 1000.0 as p50_ms, count(rtt_us) as samples
from samples
where source = 'us-east-1' and target = 'eu-west-1' and protocol = 'tcp'
  and date >= cast(now() - interval '1 hour' as date) and ts >= now() - interval '1 hour'
group by 1
order by 1`,
  },
  {
    title: 'One vantage point, hour by hour',
    query: `select hour, target, p50_us / 1000.0 as p50_ms, sent, lost
from rollup_1h
where source = 'eu-west-1' and target in ('eu-central-1', 'us-east-1', 'ap-northeast-1')
  and protocol = 'tcp' and date >= cast(now() - interval '7 days' as date)
order by hour, target`,
  },
  {
    title: 'How many times slower than light in fibre',
    query: `select source, target, min_us / 1000.0 as least_ms, fibre_floor_ms(source, target) as light_ms,
  min_us / 1000.0 / fibre_floor_ms(source, target) as times_light
from live
where "window" = '1d' and fibre_floor_ms(source, target) > 1
order by times_light desc nulls last
limit 20`,
  },
  {
    title: 'Loss by vantage point',
    query: `select source, 100.0 * sum(lost) / sum(sent) as lost_percent, sum(sent) as sent
from live
where "window" = '1h' and protocol = 'tcp'
group by source
having sum(sent) > 0
order by lost_percent desc`,
  },
  {
    title: 'Which way is slower',
    query: `select a.source, a.target, a.p50_us / 1000.0 as there_ms, b.p50_us / 1000.0 as back_ms,
  (a.p50_us - b.p50_us) / 1000.0 as difference_ms
from live a
join live b on a.source = b.target and a.target = b.source and a."window" = b."window"
  and a.protocol = b.protocol and a.family = b.family
where a."window" = '1h' and a.protocol = 'tcp'
order by difference_ms desc nulls last
limit 20`,
  },
  {
    title: 'What came of the probes',
    query: `select outcome, count(*) as probes
from samples
where date >= cast(now() - interval '15 minutes' as date) and ts >= now() - interval '15 minutes'
group by outcome
order by probes desc`,
  },
  {
    title: 'The instrument’s own error',
    query: `select source, median(connect_us - rtt_us) as p50_us, quantile_cont(connect_us - rtt_us, 0.99) as p99_us,
  count(*) as samples
from samples
where protocol = 'tcp' and outcome = 'answered'
  and date >= cast(now() - interval '15 minutes' as date) and ts >= now() - interval '15 minutes'
group by source
order by p99_us desc`,
  },
  {
    title: 'The greatest route changes',
    query: `select minute, source, target, before_us / 1000.0 as before_ms, after_us / 1000.0 as after_ms,
  (after_us - before_us) / 1000.0 as step_ms, score
from changes
where month >= date_trunc('month', now() - interval '30 days')
order by abs(after_us - before_us) desc
limit 50`,
  },
  {
    title: 'What is missing',
    query: `select source, hour, due, counted, completeness, missing_rounds, not_sent,
  gaps_clock_step + gaps_suspended + gaps_overload + gaps_spool_full as gaps
from ledger
order by completeness, hour desc
limit 100`,
  },
];
