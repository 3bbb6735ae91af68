"""Takes the definitions for Athena and Glue to whoever can judge them here: sqlglot parses each statement in Athena's dialects and finds every column
of the queries in the tables; a server of Glue's API takes the tables and gives them back.

    athena.py GOLDEN_FOLDER ENDPOINT
"""

import json
import pathlib
import sys
import time

import botocore.exceptions
import botocore.session
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify


def parsed(path):
    statements = sqlglot.parse(path.read_text(), dialect="athena")
    # What sqlglot does not know it hands on as a mere command.
    assert not any(isinstance(statement, exp.Command) for statement in statements), path
    return statements


def check_ddl(folder, name):
    """The columns of each statement, with their types, by table."""
    creates = [statement for statement in parsed(folder / name) if statement.kind == "TABLE"]
    tables = {}
    for create in creates:
        table = create.find(exp.Table)
        columns = [(column.name, column.kind.sql("hive").lower()) for column in create.find_all(exp.ColumnDef)]
        tables[table.name] = columns
        assert create.find(exp.LocationProperty), create.sql()
    return tables


def check_queries(folder, schema):
    statements = [statement for statement in sqlglot.parse((folder / "queries.sql").read_text(), dialect="trino")]
    for statement in statements:
        # Raises where a table or a column is not in the schema.
        qualify(statement, schema=schema, dialect="trino", validate_qualify_columns=True)
    return len(statements)


def client(endpoint):
    session = botocore.session.get_session()
    session.set_credentials("test", "test")
    return session.create_client("glue", region_name="us-east-1", endpoint_url=endpoint)


def check_glue(glue, folder, name, database):
    inputs = json.loads((folder / name).read_text())
    glue.create_database(DatabaseInput={"Name": database})
    for table in inputs:
        glue.create_table(DatabaseName=database, TableInput=table)
        kept = glue.get_table(DatabaseName=database, Name=table["Name"])["Table"]
        for key in ["Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor"]:
            assert same(kept[key], table[key]), (table["Name"], key, kept[key])
    return len(inputs)


def same(kept, given):
    """Servers add defaults of their own."""
    if isinstance(given, dict):
        return all(same(kept[key], value) for key, value in given.items())
    return kept == given


def wait_for(glue):
    for _ in range(100):
        try:
            return glue.get_databases()
        except botocore.exceptions.BotoCoreError:
            time.sleep(0.2)
    raise SystemExit("the server did not answer")


def main(folder, endpoint):
    delta, plain = check_ddl(folder, "tables.sql"), check_ddl(folder, "export.sql")
    inputs = json.loads((folder / "glue-export.json").read_text())
    of_glue = {
        table["Name"]: [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"] + table["PartitionKeys"]]
        for table in inputs
    }
    assert plain == of_glue, (plain, of_glue)
    assert set(delta) == set(plain) and not any(delta.values()), delta
    schema = {name: dict(columns) for name, columns in plain.items()}
    queries = check_queries(folder, schema)
    glue = client(endpoint)
    wait_for(glue)
    tables = check_glue(glue, folder, "glue-tables.json", "cloudping")
    exports = check_glue(glue, folder, "glue-export.json", "cloudping_export")
    return {"statements": len(delta) + len(plain), "queries": queries, "tables": tables + exports}


print(json.dumps(main(pathlib.Path(sys.argv[1]), sys.argv[2])))
