"""Runs the snippets of the analysts' guide, each as its own program, in a folder that holds `tables` and `export`.

    guide.py GUIDE FOLDER
"""

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE, STDOUT, run


def program(language, text):
    if language == "python":
        return text
    return f"import duckdb\nrows = duckdb.sql({text!r})\nprint(rows)\nassert len(rows) > 0\n"


def tried(snippet):
    done = run([sys.executable, "-c", program(*snippet)], stdout=PIPE, stderr=STDOUT, text=True)
    assert done.returncode == 0, f"{snippet[1]}\n{done.stdout}"
    assert done.stdout.strip(), f"printed nothing: {snippet[1]}"


guide = open(sys.argv[1], encoding="utf-8").read()
snippets = re.findall(r"^```(python|sql)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
os.chdir(sys.argv[2])
with ThreadPoolExecutor(2) as pool:
    list(pool.map(tried, snippets))
print(json.dumps({language: sum(1 for snippet in snippets if snippet[0] == language) for language in ["sql", "python"]}))
