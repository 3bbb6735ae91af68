CREATE DATABASE IF NOT EXISTS `cloudping_export`;

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping_export`.`samples` (
  `ts` timestamp COMMENT 'when the probe left',
  `source` string COMMENT 'vantage point that measured',
  `target` string COMMENT 'where the probe went',
  `protocol` string COMMENT 'how it was made: tcp, tls, https, icmp or udp',
  `family` int COMMENT 'address family: 4 or 6',
  `outcome` string COMMENT 'answered, retransmitted, timeout, refused, unreachable, reset, dns_failure or not_sent',
  `rtt_us` int COMMENT 'the protocol\'s own time (tcp: the kernel\'s round-trip time), microseconds; null where there is none',
  `connect_us` int COMMENT 'what user space saw of the same exchange, microseconds; less rtt_us it is the instrument\'s own error; null where rtt_us is user space\'s',
  `retransmits` int COMMENT 'SYN retransmits',
  `address` string COMMENT 'resolved address that was used',
  `epoch` bigint COMMENT 'producer epoch; with source and round the identity of the round',
  `round` bigint COMMENT 'round number within the epoch',
  `origin` string COMMENT 'null: measured by a producer of this archive; simulated: on its simulated network; else what it was imported from',
  `gap_reason` string COMMENT 'on the first sample of a round before which something is missing, why: clock_step, suspended, overload or spool_full',
  `gap_rounds` bigint COMMENT 'with gap_reason: rounds known to be missing; 0 where their number is unknown',
  `gap_us` bigint COMMENT 'with gap_reason: wall time that was not measured, microseconds; a clock step has its sign'
)
COMMENT 'One row a probe between two cloud regions.'
PARTITIONED BY (
  `date` date COMMENT 'UTC day of ts'
)
STORED AS PARQUET
LOCATION 's3://example-bucket/export/samples/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2026-01-15,NOW',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://example-bucket/export/samples/date=${date}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping_export`.`rollup_1h` (
  `hour` timestamp COMMENT 'start of the hour',
  `source` string COMMENT 'vantage point that measured',
  `target` string COMMENT 'where the probe went',
  `protocol` string COMMENT 'how it was made: tcp, tls, https, icmp or udp',
  `family` int COMMENT 'address family: 4 or 6',
  `sent` bigint COMMENT 'probes sent',
  `received` bigint COMMENT 'probes answered at once, with a known round-trip time',
  `lost` bigint COMMENT 'probes lost',
  `retransmitted` bigint COMMENT 'lost probes that were answered after a SYN retransmit',
  `unknown` bigint COMMENT 'probes answered at once whose round-trip time the kernel did not know',
  `min_us` int COMMENT 'least round-trip time, microseconds',
  `max_us` int COMMENT 'greatest round-trip time, microseconds',
  `mean_us` double COMMENT 'mean round-trip time, microseconds',
  `stddev_us` double COMMENT 'standard deviation (population), microseconds',
  `p1_us` double COMMENT 'exact quantile 0.01 of the round-trip times, microseconds, linear interpolation',
  `p5_us` double COMMENT 'exact quantile 0.05 of the round-trip times, microseconds, linear interpolation',
  `p10_us` double COMMENT 'exact quantile 0.1 of the round-trip times, microseconds, linear interpolation',
  `p25_us` double COMMENT 'exact quantile 0.25 of the round-trip times, microseconds, linear interpolation',
  `p50_us` double COMMENT 'exact quantile 0.5 of the round-trip times, microseconds, linear interpolation',
  `p75_us` double COMMENT 'exact quantile 0.75 of the round-trip times, microseconds, linear interpolation',
  `p90_us` double COMMENT 'exact quantile 0.9 of the round-trip times, microseconds, linear interpolation',
  `p95_us` double COMMENT 'exact quantile 0.95 of the round-trip times, microseconds, linear interpolation',
  `p98_us` double COMMENT 'exact quantile 0.98 of the round-trip times, microseconds, linear interpolation',
  `p99_us` double COMMENT 'exact quantile 0.99 of the round-trip times, microseconds, linear interpolation',
  `p99_9_us` double COMMENT 'exact quantile 0.999 of the round-trip times, microseconds, linear interpolation',
  `digest` binary COMMENT 't-digest of the round-trip times in microseconds, the bytes that Trino and Athena cast to tdigest',
  `origin` string COMMENT 'part of the series: null or simulated for what this archive\'s own producers measured, else what was imported from'
)
COMMENT 'One row a series and hour: counts, exact percentiles, a mergeable digest.'
PARTITIONED BY (
  `date` date COMMENT 'UTC day of hour'
)
STORED AS PARQUET
LOCATION 's3://example-bucket/export/rollup_1h/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2026-01-15,NOW',
  'projection.date.interval' = '1',
  'projection.date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://example-bucket/export/rollup_1h/date=${date}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping_export`.`rollup_1d` (
  `day` date COMMENT 'the UTC day',
  `source` string COMMENT 'vantage point that measured',
  `target` string COMMENT 'where the probe went',
  `protocol` string COMMENT 'how it was made: tcp, tls, https, icmp or udp',
  `family` int COMMENT 'address family: 4 or 6',
  `sent` bigint COMMENT 'probes sent',
  `received` bigint COMMENT 'probes answered at once, with a known round-trip time',
  `lost` bigint COMMENT 'probes lost',
  `retransmitted` bigint COMMENT 'lost probes that were answered after a SYN retransmit',
  `unknown` bigint COMMENT 'probes answered at once whose round-trip time the kernel did not know',
  `min_us` int COMMENT 'least round-trip time, microseconds',
  `max_us` int COMMENT 'greatest round-trip time, microseconds',
  `mean_us` double COMMENT 'mean round-trip time, microseconds',
  `stddev_us` double COMMENT 'standard deviation (population), microseconds',
  `p1_us` double COMMENT 'exact quantile 0.01 of the round-trip times, microseconds, linear interpolation',
  `p5_us` double COMMENT 'exact quantile 0.05 of the round-trip times, microseconds, linear interpolation',
  `p10_us` double COMMENT 'exact quantile 0.1 of the round-trip times, microseconds, linear interpolation',
  `p25_us` double COMMENT 'exact quantile 0.25 of the round-trip times, microseconds, linear interpolation',
  `p50_us` double COMMENT 'exact quantile 0.5 of the round-trip times, microseconds, linear interpolation',
  `p75_us` double COMMENT 'exact quantile 0.75 of the round-trip times, microseconds, linear interpolation',
  `p90_us` double COMMENT 'exact quantile 0.9 of the round-trip times, microseconds, linear interpolation',
  `p95_us` double COMMENT 'exact quantile 0.95 of the round-trip times, microseconds, linear interpolation',
  `p98_us` double COMMENT 'exact quantile 0.98 of the round-trip times, microseconds, linear interpolation',
  `p99_us` double COMMENT 'exact quantile 0.99 of the round-trip times, microseconds, linear interpolation',
  `p99_9_us` double COMMENT 'exact quantile 0.999 of the round-trip times, microseconds, linear interpolation',
  `digest` binary COMMENT 't-digest of the round-trip times in microseconds, the bytes that Trino and Athena cast to tdigest',
  `origin` string COMMENT 'part of the series: null or simulated for what this archive\'s own producers measured, else what was imported from'
)
COMMENT 'One row a series and day: counts, exact percentiles, a mergeable digest.'
PARTITIONED BY (
  `month` date COMMENT 'first day of the UTC month of day'
)
STORED AS PARQUET
LOCATION 's3://example-bucket/export/rollup_1d/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.month.type' = 'date',
  'projection.month.format' = 'yyyy-MM-dd',
  'projection.month.range' = '2026-01-01,NOW',
  'projection.month.interval' = '1',
  'projection.month.interval.unit' = 'MONTHS',
  'storage.location.template' = 's3://example-bucket/export/rollup_1d/month=${month}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping_export`.`changes` (
  `minute` timestamp COMMENT 'start of the first minute at the new level',
  `source` string COMMENT 'vantage point that measured',
  `target` string COMMENT 'where the probe went',
  `protocol` string COMMENT 'how it was made: tcp, tls, https, icmp or udp',
  `family` int COMMENT 'address family: 4 or 6',
  `found_at` timestamp COMMENT 'newest start of a round when the step was found',
  `before_us` int COMMENT 'median of the minutes\' medians before, microseconds',
  `after_us` int COMMENT 'median of the minutes\' medians since, microseconds',
  `score` double COMMENT 'by how much the test\'s threshold was passed: 1 is just enough',
  `ended_since` timestamp COMMENT 'start of the first minute of the level that ended',
  `ended_count` bigint COMMENT 'round-trip times of the level that ended',
  `ended_p10_us` double COMMENT 'quantile 0.1 of the level that ended, microseconds; null without any',
  `ended_p50_us` double COMMENT 'quantile 0.5 of the level that ended, microseconds; null without any',
  `ended_p90_us` double COMMENT 'quantile 0.9 of the level that ended, microseconds; null without any',
  `ended_p99_us` double COMMENT 'quantile 0.99 of the level that ended, microseconds; null without any',
  `before_address` string COMMENT 'resolved address of the target before the step; null, both, where one is unknown or was no single one',
  `after_address` string COMMENT 'resolved address of the target since the step; null, both, where one is unknown or was no single one'
)
COMMENT 'One row a lasting step in the latency of a series: another route.'
PARTITIONED BY (
  `month` date COMMENT 'first day of the UTC month of minute'
)
STORED AS PARQUET
LOCATION 's3://example-bucket/export/changes/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.month.type' = 'date',
  'projection.month.format' = 'yyyy-MM-dd',
  'projection.month.range' = '2026-01-01,NOW',
  'projection.month.interval' = '1',
  'projection.month.interval.unit' = 'MONTHS',
  'storage.location.template' = 's3://example-bucket/export/changes/month=${month}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping_export`.`regions` (
  `id` string COMMENT 'as source and target name it',
  `provider` string COMMENT 'aws, azure, gcp or oci; null, as all that follows down to longitude, for what is no region of the catalogue',
  `partition` string COMMENT 'the provider\'s separate world that it belongs to',
  `name` string COMMENT 'the provider\'s name for it',
  `city` string COMMENT 'where it is',
  `country` string COMMENT 'where it is',
  `continent` string COMMENT 'where it is',
  `latitude` double COMMENT 'degrees north',
  `longitude` double COMMENT 'degrees east',
  `first_ts` timestamp COMMENT 'start of the first hour in which it measured; null if it never did',
  `last_ts` timestamp COMMENT 'start of the last hour in which it measured; null if it never did',
  `status` string COMMENT 'whether the account may use it: ENABLED_BY_DEFAULT, ENABLED, ENABLING, DISABLING or DISABLED; null, as all that follows, where no region manager found it',
  `checked_at` timestamp COMMENT 'when the region manager last found it so',
  `producer_sha256` string COMMENT 'SHA-256 (base64) of the package that its producer had then; null without a producer'
)
COMMENT 'One row a region or target: where it is, since when it measured, whether the account may use it.'
STORED AS PARQUET
LOCATION 's3://example-bucket/export/regions/';
