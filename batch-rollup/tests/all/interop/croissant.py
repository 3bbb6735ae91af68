"""Loads an export as its Croissant metadata describe it, by the reference implementation, and counts the records.

    croissant.py EXPORT
"""

import json
import os
import sys

import mlcroissant

os.chdir(sys.argv[1])
dataset = mlcroissant.Dataset(jsonld="croissant.json")
counts = {table: sum(1 for _ in dataset.records(record_set=table)) for table in ["samples", "rollup_1h"]}
print(json.dumps({"issues": dataset.metadata.issues.report(), "records": counts}))
