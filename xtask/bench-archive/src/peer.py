"""Asks DuckDB: a request on standard input, its answer on standard output, both JSON.

The request has `files` (Parquet), `sql` (over the table `samples`) and `runs`. The answer has `rows` and `seconds`, the least wall time of
the runs after a first one.
"""

import json
import sys
import time

import duckdb

request = json.load(sys.stdin)
database = duckdb.connect(config={"threads": 2})
# It would write its progress between our lines.
database.execute("set enable_progress_bar = false")
database.execute("set timezone = 'UTC'")
# It would be written among the answer.
database.execute("set enable_progress_bar = false")
files = ", ".join("'" + path.replace("'", "''") + "'" for path in request["files"])
database.execute(f"create view samples as select * from read_parquet([{files}], hive_partitioning = true)")
rows = database.execute(request["sql"]).fetchall()
seconds = []
for _ in range(request["runs"]):
    before = time.perf_counter()
    database.execute(request["sql"]).fetchall()
    seconds.append(time.perf_counter() - before)
json.dump({"rows": rows, "seconds": min(seconds)}, sys.stdout, default=str)
