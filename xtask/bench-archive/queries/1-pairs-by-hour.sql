-- ours
select source, target, date_trunc('hour', ts) as hour, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.99) as p99
from samples where date = '{date}' and outcome = 'answered' group by 1, 2, 3 order by 1, 2, 3
-- duckdb
select source, target, date_trunc('hour', ts) as hour, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.99) as p99
from samples where date = '{date}' and outcome = 'answered' group by 1, 2, 3 order by 1, 2, 3
-- clickhouse
select source, target, hour, q[1] as p50, q[2] as p99 from (
  select source, target, toStartOfHour(ts) as hour, quantilesExactInclusive(0.5, 0.99)(rtt_us) as q
  from samples where date = '{date}' and outcome = 'answered' group by 1, 2, 3) order by 1, 2, 3
