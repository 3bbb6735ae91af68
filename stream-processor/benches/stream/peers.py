"""Percentiles of each pair and minute by other programs, from the same events; and what these need before.

    peers.py prepare FOLDER         the columns in FOLDER become events.parquet and expected.npz
    peers.py ndjson FOLDER          events.parquet becomes events.ndjson
    peers.py PEER FOLDER OUTPUT     one peer; prints the CPU seconds that went by before it began
    peers.py check FOLDER OUTPUT    whether the output has a row for each pair and minute, and its medians are right

Everything that reads Parquet writes Parquet. Flink streams NDJSON and writes NDJSON, as its wheel brings no Parquet.
"""

import json
import resource
import sys
from pathlib import Path

QUANTILES = [0.10, 0.25, 0.50, 0.75, 0.90, 0.98, 0.99]
LIST = ", ".join(str(q) for q in QUANTILES)
MINUTE_US = 60_000_000
COLUMNS = {"source": "u2", "target": "u2", "ts_us": "i8", "rtt_us": "u4", "outcome": "u1"}


def events(folder):
    return folder / "events.parquet"


def prepare(folder):
    import numpy
    import pyarrow
    import pyarrow.parquet

    columns = {name: numpy.fromfile(folder / f"{name}.{kind}", dtype=f"<{kind}") for name, kind in COLUMNS.items()}
    pyarrow.parquet.write_table(pyarrow.table(columns), events(folder))
    for name, kind in COLUMNS.items():
        (folder / f"{name}.{kind}").unlink()
    answered = columns["outcome"] == 0
    minute = columns["ts_us"][answered] // MINUTE_US
    pair = columns["source"][answered].astype("i8") << 16 | columns["target"][answered].astype("i8")
    key = minute << 32 | pair
    rtt = columns["rtt_us"][answered]
    order = numpy.lexsort((rtt, key))
    first = numpy.flatnonzero(numpy.diff(key[order], prepend=-1))
    last = numpy.append(first[1:], len(order)) - 1
    # The median by linear interpolation, and the values on both sides of it: an answer is at or between them.
    low, high = (rtt[order][(first + last) // 2], rtt[order][(first + last + 1) // 2])
    numpy.savez(folder / "expected.npz", key=key[order][first], low=low, high=high)


def ndjson(folder):
    import polars

    polars.read_parquet(events(folder)).write_ndjson(folder / "events.ndjson")


def duckdb(function):
    def run(folder, output):
        import duckdb

        started()
        connection = duckdb.connect(config={"temp_directory": str(folder)})
        connection.execute(
            f"COPY (SELECT source, target, ts_us // {MINUTE_US} AS minute, {function}(rtt_us, [{LIST}]) AS q"
            f" FROM '{events(folder)}' WHERE outcome = 0 GROUP BY ALL) TO '{output}' (FORMAT parquet)"
        )

    return run


def clickhouse(function):
    def run(folder, output):
        import chdb

        started()
        chdb.query(
            f"SELECT source, target, intDiv(ts_us, {MINUTE_US}) AS minute, {function}({LIST})(rtt_us) AS q"
            f" FROM file('{events(folder)}', Parquet) WHERE outcome = 0 GROUP BY source, target, minute"
            f" INTO OUTFILE '{output}' FORMAT Parquet"
        )

    return run


def polars(folder, output):
    import polars

    started()
    quantiles = [
        polars.col("rtt_us").quantile(q, interpolation="linear").alias(f"p{round(q * 100)}") for q in QUANTILES
    ]
    answered = polars.scan_parquet(events(folder)).filter(polars.col("outcome") == 0)
    keys = ["source", "target", (polars.col("ts_us") // MINUTE_US).alias("minute")]
    answered.group_by(keys).agg(quantiles).sink_parquet(output)


def datafusion(folder, output):
    import datafusion

    started()
    context = datafusion.SessionContext()
    context.register_parquet("events", str(events(folder)))
    quantiles = ", ".join(f"approx_percentile_cont({q}) WITHIN GROUP (ORDER BY rtt_us) AS p{q * 100:.0f}" for q in QUANTILES)
    context.sql(
        f"COPY (SELECT source, target, ts_us / {MINUTE_US} AS minute, {quantiles} FROM events WHERE outcome = 0"
        f" GROUP BY source, target, minute) TO '{output}' STORED AS PARQUET"
    ).collect()


FLINK = [
    """CREATE TABLE events (
        source INT, target INT, ts_us BIGINT, rtt_us INT, outcome INT,
        ts AS TO_TIMESTAMP_LTZ(ts_us / 1000, 3),
        WATERMARK FOR ts AS ts - INTERVAL '4' MINUTE
    ) WITH ('connector' = 'filesystem', 'path' = '{input}', 'format' = 'json')""",
    """CREATE TABLE percentiles (`source` INT, `target` INT, `minute` BIGINT, q ARRAY<DOUBLE>)
        WITH ('connector' = 'filesystem', 'path' = '{output}', 'format' = 'json')""",
    """INSERT INTO percentiles
        SELECT source, target, UNIX_TIMESTAMP(CAST(window_start AS STRING)) / 60, PERCENTILE(rtt_us, ARRAY[{quantiles}])
        FROM TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE) WHERE outcome = 0
        GROUP BY source, target, window_start, window_end""",
]
FLINK_SETTINGS = {
    "execution.target": "local",
    "execution.runtime-mode": "streaming",
    "parallelism.default": "1",
    "table.local-time-zone": "UTC",
}


def flink(folder, output, source="events.ndjson"):
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

    home = next(path for path in map(Path, sys.path) if (path / "pyflink/lib").is_dir()) / "pyflink"
    opens = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("lang", "util", "nio", "time", "net")]
    jars = ":".join(str(path) for path in home.glob("lib/*.jar"))
    started()
    options = ["-Xmx4g", f"-Djava.io.tmpdir={folder}", *opens]
    port, process = launch_gateway(classpath=jars, javaopts=options, die_on_exit=True, return_proc=True)
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port))
    try:
        java = gateway.jvm
        configuration = java.org.apache.flink.configuration.Configuration()
        for name, value in FLINK_SETTINGS.items():
            configuration.setString(name, value)
        settings = java.org.apache.flink.table.api.EnvironmentSettings.newInstance().withConfiguration(configuration)
        tables = java.org.apache.flink.table.api.TableEnvironment.create(settings.build())
        for statement in FLINK:
            done = tables.executeSql(statement.format(input=folder / source, output=output, quantiles=LIST))
        getattr(done, "await")()
    finally:
        gateway.shutdown()
        # Java ends with its input, and its CPU time counts only once it has ended and was waited for.
        process.stdin.close()
        process.wait()


def flink_alone(folder, output):
    """What Flink takes for one event: its start."""
    with open(folder / "events.ndjson") as every, open(folder / "one.ndjson", "w") as one:
        one.write(every.readline())
    flink(folder, output, "one.ndjson")


def started():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"before": usage.ru_utime + usage.ru_stime}), flush=True)


def check(folder, output):
    import numpy
    import polars

    if output.is_dir():
        parts = [path for path in output.rglob("part-*") if path.stat().st_size > 0]
        rows = polars.concat([polars.read_ndjson(path) for path in parts])
    else:
        rows = polars.read_parquet(output)
    whole = rows.select(polars.col("source", "target", "minute").cast(polars.Int64))
    key = whole["minute"].to_numpy() << 32 | whole["source"].to_numpy() << 16 | whole["target"].to_numpy()
    median = (rows["q"].list.get(2) if "q" in rows.columns else rows["p50"]).to_numpy()
    order = numpy.argsort(key)
    expected = numpy.load(folder / "expected.npz")
    if not numpy.array_equal(key[order], expected["key"]):
        sys.exit(f"{len(key)} rows, expected one for each of {len(expected['key'])} pairs and minutes")
    low, high, median = expected["low"].astype("f8"), expected["high"].astype("f8"), median[order]
    # An approximate peer may be off by a little.
    off = numpy.maximum(low - median, median - high) / high
    if off.max() > 0.05:
        sys.exit(f"a median is off by {off.max():.0%}")


PEERS = {
    "duckdb-disc": duckdb("quantile_disc"),
    "duckdb-cont": duckdb("quantile_cont"),
    "clickhouse-exact": clickhouse("quantilesExact"),
    "clickhouse-tdigest": clickhouse("quantilesTDigest"),
    "polars": polars,
    "datafusion": datafusion,
    "flink": flink,
    "flink-alone": flink_alone,
    "check": check,
}

if __name__ == "__main__":
    work, *paths = sys.argv[1:]
    paths = [Path(path).absolute() for path in paths]
    {"prepare": prepare, "ndjson": ndjson, **PEERS}[work](*paths)
