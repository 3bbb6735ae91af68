-- ours
select source, date, count(*) as samples, count(distinct round) as rounds from samples group by 1, 2 order by 1, 2
-- duckdb
select source, date, count(*) as samples, count(distinct round) as rounds from samples group by 1, 2 order by 1, 2
-- clickhouse
select source, date, count(*) as samples, uniqExact(round) as rounds from samples group by 1, 2 order by 1, 2
