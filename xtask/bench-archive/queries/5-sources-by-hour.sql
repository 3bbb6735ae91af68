-- ours
select source, date_trunc('hour', ts) as hour, count(rtt_us) as n, avg(rtt_us) as mean, min(rtt_us) as least, max(rtt_us) as most
from samples where outcome = 'answered' group by 1, 2 order by 1, 2
-- duckdb
select source, date_trunc('hour', ts) as hour, count(rtt_us) as n, avg(rtt_us) as mean, min(rtt_us) as least, max(rtt_us) as most
from samples where outcome = 'answered' group by 1, 2 order by 1, 2
-- clickhouse
select source, toStartOfHour(ts) as hour, count(rtt_us) as n, avg(rtt_us) as mean, min(rtt_us) as least, max(rtt_us) as most
from samples where outcome = 'answered' group by 1, 2 order by 1, 2
