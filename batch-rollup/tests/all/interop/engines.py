"""Reads the archive's tables and its export by one engine, and prints what it finds as JSON.

    engines.py ENGINE '{"tables": DIR, "files": {TABLE: [FILE, ...]}, "export": DIR, "views": SQL, "no_views": SQL}'

What is found is the same for every engine: of the samples the rows, the sum of the round-trip times, a checksum of the times, the number of rounds,
and the exact median of each pair; of the hours the rows, the probes sent and received, and the sum of the medians. A way of reading is a function
from a table's name to what it finds.
"""

import json
import os
import sys

MODULUS = 1_000_000_007
DUCKDB = {
    "samples": """SELECT count(*) AS n, sum(rtt_us) AS rtt, sum(epoch_us(ts) % 1000000007) AS times,
                  count(DISTINCT (source, epoch, round)) AS rounds FROM t""",
    "pairs": "SELECT source, target, quantile_cont(rtt_us, 0.5) AS p50 FROM t GROUP BY ALL ORDER BY ALL",
    "rollup_1h": "SELECT count(*) AS n, sum(sent) AS sent, sum(received) AS received, sum(p50_us) AS p50 FROM t",
}
DATAFUSION = {
    "samples": """SELECT count(*) AS n, sum(rtt_us) AS rtt, count(DISTINCT concat(source, '/', epoch, '/', round)) AS rounds,
                  sum(arrow_cast(arrow_cast(ts, 'Timestamp(Microsecond, None)'), 'Int64') % 1000000007) AS times FROM t""",
    "pairs": """SELECT source, target, percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(rtt_us AS DOUBLE)) AS p50
                FROM t GROUP BY source, target ORDER BY source, target""",
    "rollup_1h": DUCKDB["rollup_1h"],
}
CHDB = {
    "samples": """SELECT count(*) AS n, sum(rtt_us) AS rtt, sum(toUnixTimestamp64Micro(ts) % 1000000007) AS times,
                  uniqExact(source, epoch, round) AS rounds FROM {t}""",
    "pairs": "SELECT source, target, quantileExactInclusive(0.5)(rtt_us) AS p50 FROM {t} GROUP BY ALL ORDER BY ALL",
    "rollup_1h": "SELECT count(*) AS n, sum(sent) AS sent, sum(received) AS received, sum(p50_us) AS p50 FROM {t}",
}


def by_sql(dialect, run):
    """What is found by an engine that speaks SQL; `run` gives the rows of a query over a table as dictionaries."""

    def find(table):
        found = run(table, dialect[table])[0]
        if table == "samples":
            found["pairs"] = [[row["source"], row["target"], row["p50"]] for row in run(table, dialect["pairs"])]
        return found

    return find


def by_frame(read):
    """What pandas finds in the frame that `read` gives."""

    def find(table):
        frame = read(table)
        if table != "samples":
            sums = {name: frame[name].sum() for name in ["sent", "received"]}
            return {"n": len(frame), **sums, "p50": frame["p50_us"].sum()}
        micros = frame["ts"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]").astype("int64")
        medians = frame.groupby(["source", "target"], observed=True)["rtt_us"].quantile(0.5).reset_index()
        return {
            "n": len(frame),
            "rtt": frame["rtt_us"].sum(),
            "times": (micros % MODULUS).sum(),
            "rounds": len(frame[["source", "epoch", "round"]].drop_duplicates()),
            "pairs": medians.sort_values(["source", "target"]).values.tolist(),
        }

    return find


def duckdb(place):
    import duckdb

    def run(source):
        def rows(table, query):
            relation = duckdb.sql(query.replace("FROM t", f"FROM {source(table)}"))
            return [dict(zip(relation.columns, row)) for row in relation.fetchall()]

        return by_sql(DUCKDB, rows)

    def columns(views):
        duckdb.execute(views)
        return {table: [row[:2] for row in duckdb.sql(f"DESCRIBE {table}").fetchall()] for table in place["files"]}

    # A view without rows has the columns of one with some; the export has no files of the other tables.
    of_none, of_all = columns(place["no_views"]), columns(place["views"])
    assert of_none == of_all, (of_none, of_all)
    for table in ["rollup_1d", "changes", "regions"]:
        assert duckdb.sql(f"SELECT count(*) FROM {table}").fetchall() == [(0,)], table
    return {
        "tables": run(lambda table: f"read_parquet({place['files'][table]}, hive_partitioning = true)"),
        "export": run(lambda table: f"read_parquet('{place['export']}/{table}/*/*.parquet', hive_partitioning = true)"),
        "csv": run(lambda table: f"read_csv('{place['export']}/csv/{table}/*/*.csv.gz', hive_partitioning = true)"),
        "views": run(lambda table: table),
    }


def polars(place):
    import polars as pl

    def of(scan):
        def find(table):
            frame = scan(table)
            if table != "samples":
                sums = frame.select(n=pl.len(), sent=pl.sum("sent"), received=pl.sum("received"), p50=pl.sum("p50_us"))
                return sums.collect().row(0, named=True)
            micros = pl.col("ts").dt.timestamp("us") % MODULUS
            rounds = pl.struct("source", "epoch", "round").n_unique()
            found = frame.select(n=pl.len(), rtt=pl.sum("rtt_us"), times=micros.sum(), rounds=rounds).collect().row(0, named=True)
            medians = frame.group_by("source", "target").agg(p50=pl.col("rtt_us").quantile(0.5, "linear"))
            found["pairs"] = [list(row) for row in medians.sort("source", "target").collect().iter_rows()]
            return found

        return find

    return {
        "tables": of(lambda table: pl.scan_delta(f"{place['tables']}/{table}")),
        "export": of(lambda table: pl.scan_parquet(f"{place['export']}/{table}/", hive_partitioning=True)),
    }


def pandas(place):
    import pandas as pd
    from deltalake import DeltaTable

    return {
        "tables": by_frame(lambda table: DeltaTable(f"{place['tables']}/{table}").to_pandas()),
        "export": by_frame(lambda table: pd.read_parquet(f"{place['export']}/{table}")),
    }


def pyarrow(place):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

    def of(open_dataset):
        def find(table):
            rows = open_dataset(table).to_table()
            if table != "samples":
                total = {name: pc.sum(rows[name]).as_py() for name in ["sent", "received"]}
                return {"n": len(rows), **total, "p50": pc.sum(rows["p50_us"]).as_py()}
            micros = rows["ts"].cast(pa.timestamp("us", "UTC")).cast("int64").to_numpy() % MODULUS
            pairs = []
            for pair in rows.group_by(["source", "target"]).aggregate([]).sort_by([("source", "ascending"), ("target", "ascending")]).to_pylist():
                of_pair = rows.filter(pc.and_(pc.equal(rows["source"], pair["source"]), pc.equal(rows["target"], pair["target"])))
                pairs.append([pair["source"], pair["target"], pc.quantile(of_pair["rtt_us"], 0.5)[0].as_py()])
            rounds = len(rows.group_by(["source", "epoch", "round"]).aggregate([]))
            return {"n": len(rows), "rtt": pc.sum(rows["rtt_us"]).as_py(), "times": micros.sum(), "rounds": rounds, "pairs": pairs}

        return find

    return {
        "tables": of(lambda table: DeltaTable(f"{place['tables']}/{table}").to_pyarrow_dataset()),
        "export": of(lambda table: ds.dataset(f"{place['export']}/{table}", partitioning="hive")),
    }


def deltalake(place):
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    def rows(table, query):
        open_table = DeltaTable(f"{place['tables']}/{table}")
        return pa.table(QueryBuilder().register("t", open_table).execute(query).read_all()).to_pylist()

    return {"tables": by_sql(DATAFUSION, rows)}


def chdb(place):
    import chdb

    # It reads Delta tables of the folder that it runs in alone.
    os.chdir(place["tables"])

    def run(source):
        def rows(table, query):
            answer = chdb.query(query.format(t=source(table)), "JSON")
            return [numbers(row) for row in json.loads(str(answer))["data"]]

        return by_sql(CHDB, rows)

    def numbers(row):
        # 64-bit numbers come as texts.
        return {name: value if name in ("source", "target") else float(value) for name, value in row.items()}

    def listed(table):
        folder = f"{place['tables']}/{table}/"
        files = [path.removeprefix("file://").removeprefix(folder) for path in place["files"][table]]
        return f"file('{folder}{{{','.join(files)}}}', Parquet)"

    return {
        "tables": run(lambda table: f"deltaLakeLocal('{place['tables']}/{table}')"),
        "files": run(listed),
        "export": run(lambda table: f"file('{place['export']}/{table}/*/*.parquet', Parquet)"),
    }


def datafusion(place):
    import pyarrow as pa
    from datafusion import SessionContext
    from deltalake import DeltaTable

    def of(register):
        def rows(table, query):
            context = SessionContext()
            register(context, table)
            return pa.Table.from_batches(context.sql(query).collect()).to_pylist()

        return by_sql(DATAFUSION, rows)

    return {
        "tables": of(lambda context, table: context.register_table("t", DeltaTable(f"{place['tables']}/{table}"))),
        "export": of(lambda context, table: context.register_parquet("t", f"{place['export']}/{table}", [("date", pa.date32())])),
    }


ENGINES = [duckdb, polars, pandas, pyarrow, deltalake, chdb, datafusion]

if __name__ == "__main__":
    name, place = sys.argv[1], json.loads(sys.argv[2])
    ways = next(engine for engine in ENGINES if engine.__name__ == name)(place)
    found = {way: {table: find(table) for table in ["samples", "rollup_1h"]} for way, find in ways.items()}
    print(json.dumps(found, default=float))
