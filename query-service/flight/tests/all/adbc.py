"""Asks the Flight SQL door as ADBC clients do. Arguments: the door's address and a key. Prints ok."""

import datetime as dt
import sys

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as dbapi
import polars

address, key = sys.argv[1:]
NOW = dt.datetime(2026, 1, 2, 12, 30, 20, tzinfo=dt.timezone.utc)
header = adbc_driver_flightsql.DatabaseOptions.AUTHORIZATION_HEADER.value

with dbapi.connect(f"grpc://{address}", db_kwargs={header: f"Bearer {key}"}, autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("select id, latitude, now() as at from regions where id = 'us-east-1'")
        table = cursor.fetch_arrow_table()
        assert table["id"].to_pylist() == ["us-east-1"] and table["at"].to_pylist() == [NOW], table
        cursor.execute("select value from generate_series(1, 100000) where value > ?".replace("?", "$1"), [99_990])
        assert cursor.fetchall() == [(value,) for value in range(99_991, 100_001)]
        cursor.execute("select value from generate_series(1, 1000000)")
        assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 1_000_000
        try:
            cursor.execute("delete from regions")
            raise AssertionError("deleted")
        except dbapi.Error as error:
            assert "reading statement" in str(error), error
    found = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    [catalogue] = [entry for entry in found if entry["catalog_name"] == "cloudping"]
    tables = {table["table_name"] for schema in catalogue["catalog_db_schemas"] for table in schema["db_schema_tables"]}
    assert {"samples", "rollup_1h", "regions"} <= tables, tables
    assert "ts" in connection.adbc_get_table_schema("samples").names
    assert connection.adbc_get_info()["vendor_name"].startswith("cloudping")
    frame = polars.read_database("select id from regions order by id", connection)
    assert frame.height > 20, frame

try:
    with dbapi.connect(f"grpc://{address}", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select 1")
    raise AssertionError("let in")
except dbapi.Error as error:
    assert "a key is needed" in str(error), error
print("ok")
