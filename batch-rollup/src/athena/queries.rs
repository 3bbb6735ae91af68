//! Queries to begin with, in Athena's SQL, which is Trino's.

/// A query, and what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// A short name.
    pub name: &'static str,
    /// What it answers.
    pub answers: &'static str,
    /// The query. Tables are named without their database.
    pub sql: &'static str,
}

/// The queries. They read the Delta tables and the export alike, and only what was measured: on a simulated network `origin` is 'simulated'.
#[must_use]
pub fn athena_queries() -> &'static [Query] {
    &QUERIES
}

const QUERIES: [Query; 7] = [
    Query {
        name: "percentiles_of_any_range",
        answers: "p50, p90 and p99 of every pair over any range of days: merged digests, never averaged percentiles",
        sql: "SELECT source, target, sum(received) AS n,
       value_at_quantile(merge(CAST(digest AS tdigest)), 0.5) / 1000 AS p50_ms,
       value_at_quantile(merge(CAST(digest AS tdigest)), 0.9) / 1000 AS p90_ms,
       value_at_quantile(merge(CAST(digest AS tdigest)), 0.99) / 1000 AS p99_ms
FROM rollup_1d
WHERE month >= DATE '2026-01-01' AND day BETWEEN DATE '2026-01-15' AND DATE '2026-03-10'
  AND protocol = 'tcp' AND origin IS NULL AND digest IS NOT NULL
GROUP BY source, target
ORDER BY source, target",
    },
    Query {
        name: "percentiles_of_any_hours",
        answers: "the same over hours: every weekday's business hours of one pair",
        sql: "SELECT count(*) AS hours, sum(received) AS n,
       values_at_quantiles(merge(CAST(digest AS tdigest)), ARRAY[0.5, 0.95, 0.99, 0.999]) AS us
FROM rollup_1h
WHERE date BETWEEN DATE '2026-03-01' AND DATE '2026-03-31'
  AND day_of_week(hour) <= 5 AND extract(HOUR FROM hour) BETWEEN 8 AND 17
  AND source = 'eu-west-1' AND target = 'us-east-1' AND protocol = 'tcp' AND origin IS NULL AND digest IS NOT NULL",
    },
    Query {
        name: "exact_p50_of_a_day",
        answers: "the exact median of every pair on a day, as the rollup has it",
        sql: "SELECT source, target, family, received, p50_us / 1000 AS p50_ms, (p99_us - min_us) / 1000 AS jitter_p99_ms
FROM rollup_1d
WHERE month = DATE '2026-03-01' AND day = DATE '2026-03-10' AND protocol = 'tcp' AND origin IS NULL
ORDER BY p50_us",
    },
    Query {
        name: "exact_p50_from_samples",
        answers: "the exact median (nearest rank) of any minutes, from every single probe",
        sql: "SELECT source, target, count(rtt_us) AS n,
       element_at(array_sort(array_agg(rtt_us) FILTER (WHERE rtt_us IS NOT NULL)),
                  CAST(ceil(0.5 * count(rtt_us)) AS integer)) / 1000.0 AS p50_ms
FROM samples
WHERE date = DATE '2026-03-10'
  AND ts BETWEEN TIMESTAMP '2026-03-10 09:30:00' AND TIMESTAMP '2026-03-10 09:45:00'
  AND protocol = 'tcp' AND outcome = 'answered' AND origin IS NULL
GROUP BY source, target
ORDER BY source, target",
    },
    Query {
        name: "loss",
        answers: "loss of every pair in a month, in percent; what was never sent is neither",
        sql: "SELECT source, target, sum(sent) AS sent, sum(lost) AS lost, 100.0 * sum(lost) / sum(sent) AS loss_percent
FROM rollup_1d
WHERE month = DATE '2026-03-01' AND protocol = 'tcp' AND origin IS NULL
GROUP BY source, target
HAVING sum(sent) > 0
ORDER BY loss_percent DESC",
    },
    Query {
        name: "changes",
        answers: "where routes became longer or shorter by more than 5 ms; steps say no origin, the hours that they are in do",
        sql: "SELECT minute, source, target, (after_us - before_us) / 1000.0 AS change_ms, before_us / 1000.0 AS before_ms, score
FROM changes c
WHERE month BETWEEN DATE '2026-02-01' AND DATE '2026-03-01' AND abs(after_us - before_us) > 5000
  AND EXISTS (SELECT 1 FROM rollup_1h r
              WHERE r.date BETWEEN DATE '2026-02-01' AND DATE '2026-03-31' AND r.hour = date_trunc('hour', c.minute)
                AND r.source = c.source AND r.target = c.target AND r.protocol = c.protocol AND r.family = c.family
                AND r.origin IS NULL)
ORDER BY minute DESC",
    },
    Query {
        name: "against_light",
        answers: "how much longer than light in fibre along the great circle takes",
        sql: "SELECT r.source, r.target, min(r.min_us) / 1000.0 AS min_ms,
       min(r.min_us) / 1000.0 / (2 * great_circle_distance(a.latitude, a.longitude, b.latitude, b.longitude) / 204.0)
         AS times_light
FROM rollup_1d r
JOIN regions a ON a.id = r.source
JOIN regions b ON b.id = r.target
WHERE r.month = DATE '2026-03-01' AND r.protocol = 'tcp' AND r.origin IS NULL AND r.source <> r.target
GROUP BY r.source, r.target, a.latitude, a.longitude, b.latitude, b.longitude
ORDER BY times_light DESC",
    },
];
