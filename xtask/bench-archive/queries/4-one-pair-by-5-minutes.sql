-- ours
select date_bin(interval '5 minutes', ts) as time, count(rtt_us) as n, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.99) as p99
from samples where date = '{date}' and source = '{source}' and target = '{target}' and outcome = 'answered' group by 1 order by 1
-- duckdb
select time_bucket(interval '5 minutes', ts) as time, count(rtt_us) as n, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.99) as p99
from samples where date = '{date}' and source = '{source}' and target = '{target}' and outcome = 'answered' group by 1 order by 1
-- clickhouse
select time, n, q[1] as p50, q[2] as p99 from (
  select toStartOfFiveMinutes(ts) as time, count(rtt_us) as n, quantilesExactInclusive(0.5, 0.99)(rtt_us) as q
  from samples where date = '{date}' and source = '{source}' and target = '{target}' and outcome = 'answered' group by 1) order by 1
