-- ours
select rtt_us / 1000 as ms, count(*) as n from samples where source = '{source}' and target = '{target}' and outcome = 'answered' and rtt_us is not null group by 1 order by 1
-- duckdb
select rtt_us // 1000 as ms, count(*) as n from samples where source = '{source}' and target = '{target}' and outcome = 'answered' and rtt_us is not null group by 1 order by 1
-- clickhouse
select intDiv(rtt_us, 1000) as ms, count(*) as n from samples where source = '{source}' and target = '{target}' and outcome = 'answered' and rtt_us is not null group by 1 order by 1
