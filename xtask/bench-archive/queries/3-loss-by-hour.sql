-- ours
select source, target, date_trunc('hour', ts) as hour, count(*) as sent, avg(case when outcome = 'answered' then 0.0 else 1.0 end) as loss
from samples where outcome not in ('dns_failure', 'not_sent') group by 1, 2, 3 order by 1, 2, 3
-- duckdb
select source, target, date_trunc('hour', ts) as hour, count(*) as sent, avg(case when outcome = 'answered' then 0.0 else 1.0 end) as loss
from samples where outcome not in ('dns_failure', 'not_sent') group by 1, 2, 3 order by 1, 2, 3
-- clickhouse
select source, target, toStartOfHour(ts) as hour, count(*) as sent, avg(case when outcome = 'answered' then 0.0 else 1.0 end) as loss
from samples where outcome not in ('dns_failure', 'not_sent') group by 1, 2, 3 order by 1, 2, 3
