"""Asks the PostgreSQL door as Python's drivers do. Arguments: which part, and the door's address. Prints ok."""

import asyncio
import datetime as dt
import sys
import threading
import time

UTC = dt.timezone.utc
NOW = dt.datetime(2026, 1, 2, 12, 30, 20, tzinfo=UTC)
VALUES = (
    "select now() as at, now()::date as day, true as yes, null::text as nothing, 1.5::double as half, 7::int as seven, "
    "8::bigint as eight, 'it''s' as words, arrow_cast('abc', 'Binary') as bytes, [1, null, 3]::bigint[] as list"
)
EXPECTED = (NOW, NOW.date(), True, None, 1.5, 7, 8, "it's", b"abc", [1, None, 3])
LONG = "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b"


def url(address, rest=""):
    return f"postgresql://tester@{address}/cloudping{rest}"


def psycopg(address):
    import psycopg

    for binary in (False, True):
        with psycopg.connect(url(address)) as connection, connection.cursor(binary=binary) as cursor:
            assert cursor.execute(VALUES).fetchone() == EXPECTED, cursor.execute(VALUES).fetchone()
            found = cursor.execute(
                "select id, latitude from regions where id = %s and latitude > %s", ["us-east-1", -90.5]
            ).fetchall()
            assert [row[0] for row in found] == ["us-east-1"], found
            at = cursor.execute("select %s::timestamptz < now()", [NOW - dt.timedelta(hours=1)]).fetchone()
            assert at == (True,), at
            cursor.executemany("select %s::bigint + 1", [(1,), (2,)], returning=True)
            assert cursor.fetchall() == [(2,)]
    with psycopg.connect(url(address), autocommit=True) as connection:
        for _ in range(8):  # It prepares what it meets often.
            assert connection.execute("select count(*) from regions where id = %s", ["eu-west-1"]).fetchone() == (1,)
        rows = 0
        for (value,) in connection.cursor().stream("select value from generate_series(1, 50000)"):
            rows += 1
        assert rows == 50_000, rows
        threading.Timer(0.5, connection.cancel).start()
        started = time.monotonic()
        try:
            connection.execute(LONG)
            raise AssertionError("not cancelled")
        except psycopg.errors.QueryCanceled:
            assert time.monotonic() - started < 10
        for statement, error in [
            ("select 1 from nowhere", psycopg.errors.UndefinedTable),
            ("select nothing from regions", psycopg.errors.UndefinedColumn),
            ("delete from regions", psycopg.errors.ReadOnlySqlTransaction),
        ]:
            try:
                connection.execute(statement)
                raise AssertionError(statement)
            except error:
                pass


async def _asyncpg(address):
    import asyncpg

    connection = await asyncpg.connect(url(address))
    # It asks what a list is made of by a recursive statement, which is refused here.
    row = await connection.fetchrow(VALUES.rsplit(",", 3)[0])
    assert tuple(row) == EXPECTED[:-1], row
    statement = await connection.prepare("select id from regions where id = $1 or longitude < $2::double precision")
    found = await statement.fetch("us-east-1", -1000.0)
    assert [row["id"] for row in found] == ["us-east-1"], found
    assert [p.name for p in statement.get_parameters()] == ["text", "float8"], statement.get_parameters()
    assert await connection.fetchval("select $1::timestamptz", NOW) == NOW
    assert await connection.fetchval("select $1::date", NOW.date()) == NOW.date()
    pages = []
    async with connection.transaction(readonly=True):
        async for row in connection.cursor("select value from generate_series(1, 1000)", prefetch=100):
            pages.append(row["value"])
    assert pages == list(range(1, 1001)), len(pages)
    try:
        await asyncio.wait_for(connection.fetch(LONG), 1)
        raise AssertionError("not cancelled")
    except (asyncio.TimeoutError, TimeoutError):
        pass
    assert await connection.fetchval("select 1") == 1
    await connection.reset()
    await connection.close()


def frames(address):
    import pandas
    import polars
    import psycopg

    with psycopg.connect(url(address)) as connection:
        frame = polars.read_database("select id, latitude, longitude from regions order by id", connection)
        assert frame.height > 20 and frame.columns == ["id", "latitude", "longitude"], frame
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas has only tested SQLAlchemy.
            read = pandas.read_sql("select id, latitude, longitude from regions order by id", connection)
        assert len(read) == frame.height and read["id"].tolist() == frame["id"].to_list()


def tls(address):
    import psycopg

    host, port = address.split(":")
    where = f"host={host} port={port} dbname=cloudping user=tester"
    with psycopg.connect(f"{where} password=cp_secret sslmode=require") as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("select 1").fetchone() == (1,)
    try:
        psycopg.connect(f"{where} password=wrong sslmode=require")
        raise AssertionError("let in")
    except psycopg.OperationalError as error:
        assert "not known" in str(error), error


def no_tls(address):
    import psycopg

    host, port = address.split(":")
    where = f"host={host} port={port} dbname=cloudping user=tester"
    with psycopg.connect(f"{where} sslmode=prefer") as connection:
        assert not connection.pgconn.ssl_in_use
    try:
        psycopg.connect(f"{where} sslmode=require")
        raise AssertionError("connected")
    except psycopg.OperationalError as error:
        assert "SSL" in str(error), error


PARTS = {
    "psycopg": psycopg,
    "asyncpg": lambda address: asyncio.run(_asyncpg(address)),
    "frames": frames,
    "tls": tls,
    "no_tls": no_tls,
}
PARTS[sys.argv[1]](sys.argv[2])
print("ok")
