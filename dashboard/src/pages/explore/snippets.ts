/** The same statement from other programs. Pure. The forms are those of docs/sql.md and docs/archive.md. */

import type { Program } from './address';

export interface Snippet {
  name: Program;
  text: string;
  /** What to know of it. */
  note: string;
}

/** A text for a POSIX shell. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A text for Python: as it stands where that is possible. */
export function pythonQuoted(text: string): string {
  if (/["\\]{3}|\\/.test(text) || text.endsWith('"')) return JSON.stringify(text);
  return text.includes('\n') || text.includes('"') ? `"""${text}"""` : `"${text}"`;
}

function curl(query: string, origin: string, format: string, file: string): string {
  return `curl -fG -o ${file} -d format=${format} --data-urlencode q=${shellQuoted(query)} ${origin}/api/v1/sql`;
}

/** What only this service has, so that Athena cannot take the statement as it is. */
function foreign(query: string): string[] {
  const words = ['live', 'ledger', 'digest_merge', 'digest_quantile', 'digest_cdf', 'great_circle_km', 'fibre_floor_ms', 'quantile_cont', 'median', 'date_bin'];
  return words.filter((word) => new RegExp(`\\b${word}\\b`, 'i').test(query));
}

function athenaNote(query: string): string {
  const words = foreign(query);
  const own = words.length === 0 ? '' : ` This statement has what Athena lacks or calls otherwise: ${words.join(', ')}.`;
  return `Athena reads the archive’s tables in S3 themselves, once they are defined there; live and ledger are only here.${own}`;
}

export function snippets(query: string, origin: string): Snippet[] {
  const python = (library: string, imports: string, read: string): string => `${imports}

query = ${pythonQuoted(query)}
url = "${origin}/api/v1/sql?" + urllib.parse.urlencode({"format": "parquet", "q": query})
${read}
print(${library})`;
  return [
    {
      name: 'curl',
      text: curl(query, origin, 'csv', 'result.csv'),
      note: 'Also format=ndjson, json, arrow and parquet. With -f an answer that is an error writes no file.',
    },
    {
      name: 'DuckDB',
      text: `${curl(query, origin, 'parquet', 'result.parquet')}
duckdb -c "from 'result.parquet'"`,
      note: 'The answer is made as it is read, so there is no part of it to ask for: fetch it first.',
    },
    {
      name: 'Polars',
      text: python('frame', 'import io\nimport urllib.parse\nimport urllib.request\n\nimport polars as pl', 'frame = pl.read_parquet(io.BytesIO(urllib.request.urlopen(url).read()))'),
      note: '',
    },
    {
      name: 'pandas',
      text: python('frame', 'import urllib.parse\n\nimport pandas as pd', 'frame = pd.read_parquet(url)'),
      note: 'Needs pyarrow beside it.',
    },
    {
      name: 'Athena',
      text: `# Prints the statements that define the tables, for Athena's engine version 3:
cloudping rollup ddl --location s3://YOUR-BUCKET/tables

-- and then, in Athena:
${query}`,
      note: athenaNote(query),
    },
  ];
}
