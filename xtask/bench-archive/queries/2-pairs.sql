-- ours
select source, target, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.9) as p90, quantile_cont(rtt_us, 0.99) as p99
from samples where outcome = 'answered' group by 1, 2 order by 1, 2
-- duckdb
select source, target, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.9) as p90, quantile_cont(rtt_us, 0.99) as p99
from samples where outcome = 'answered' group by 1, 2 order by 1, 2
-- clickhouse
select source, target, q[1] as p50, q[2] as p90, q[3] as p99 from (
  select source, target, quantilesExactInclusive(0.5, 0.9, 0.99)(rtt_us) as q
  from samples where outcome = 'answered' group by 1, 2) order by 1, 2
