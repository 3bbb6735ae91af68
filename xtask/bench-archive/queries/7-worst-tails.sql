-- ours
with pairs as (
  select source, target, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.99) as p99
  from samples where outcome = 'answered' group by 1, 2)
select source, target, p99 / p50 as ratio from pairs order by ratio desc, source, target limit 20
-- duckdb
with pairs as (
  select source, target, quantile_cont(rtt_us, 0.5) as p50, quantile_cont(rtt_us, 0.99) as p99
  from samples where outcome = 'answered' group by 1, 2)
select source, target, p99 / p50 as ratio from pairs order by ratio desc, source, target limit 20
-- clickhouse
with pairs as (
  select source, target, quantilesExactInclusive(0.5, 0.99)(rtt_us) as q
  from samples where outcome = 'answered' group by 1, 2)
select source, target, q[2] / q[1] as ratio from pairs order by ratio desc, source, target limit 20
