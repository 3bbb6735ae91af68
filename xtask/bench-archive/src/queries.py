"""Asks DuckDB and ClickHouse (chdb) the same questions over the same files: a request on standard input, answers on standard output, both JSON.

The request has `files` (Parquet below folders `date=...`), `questions` (each with `duckdb` and `clickhouse`, over `samples`) and `runs`. The
answer has a list of `{"duckdb": {"rows", "seconds"}, "clickhouse": {...}}`: the least wall time of the runs after a first one, the result taken
as columns, which neither has to make into Python's objects.
"""

import json
import sys
import time

import duckdb
import pyarrow
from chdb import session

request = json.load(sys.stdin)
listed = ", ".join("'" + path.replace("'", "''") + "'" for path in request["files"])
database = duckdb.connect(config={"threads": 2})
# It would write its progress between our lines.
database.execute("set enable_progress_bar = false")
database.execute("set timezone = 'UTC'")
database.execute(f"create view samples as select * from read_parquet([{listed}], hive_partitioning = true)")
clickhouse = session.Session()
clickhouse.query("set max_threads = 2")
clickhouse.query("set session_timezone = 'UTC'")
clickhouse.query("set use_hive_partitioning = 1")
folder = request["files"][0].split("/date=")[0]
inner = ",".join(path[len(folder) + 1 :] for path in request["files"])
SOURCE = "file('" + (folder + "/{" + inner + "}" if len(request["files"]) > 1 else request["files"][0]) + "', Parquet)"


def timed(ask):
    ask()
    seconds = []
    for _ in range(request["runs"]):
        before = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - before)
    return min(seconds)


def of_clickhouse(question):
    return question["clickhouse"].replace("from samples", "from " + SOURCE)


def plain(table):
    """The rows, times without their zone: for those with one Python needs a package more."""
    columns = []
    for column in table.columns:
        timed = pyarrow.types.is_timestamp(column.type)
        columns.append((column.cast(pyarrow.timestamp("us")) if timed else column).to_pylist())
    return [list(row) for row in zip(*columns)]


def as_rows(text):
    return json.loads(text)["data"] if text else []


answers = []
for question in request["questions"]:
    rows = plain(database.sql(question["duckdb"]).to_arrow_table())
    seconds = timed(lambda: database.sql(question["duckdb"]).to_arrow_table())
    theirs = {"rows": rows, "seconds": seconds}
    sql = of_clickhouse(question)
    rows = as_rows(str(clickhouse.query(sql, "JSONCompact")))
    other = {"rows": rows, "seconds": timed(lambda: clickhouse.query(sql, "Arrow"))}
    answers.append({"duckdb": theirs, "clickhouse": other})
json.dump(answers, sys.stdout, default=str)
