import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CfnResource } from 'aws-cdk-lib';
import * as athena from 'aws-cdk-lib/aws-athena';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from '../settings';
import { PartStack } from './part-stack';

/** The definitions that `cloudping rollup ddl` prints, held fast by the archive's own tests. */
const DEFINITIONS = path.resolve(import.meta.dirname, '../../schemas/golden/athena');
/** What the definitions call the bucket, and the first day of an export. */
const BUCKET = 's3://example-bucket';
const FIRST_DAY = '2026-01-15,NOW';

interface Table {
  readonly Name: string;
}

export interface Query {
  readonly name: string;
  readonly description: string;
  readonly sql: string;
}

/** The tables of a file of definitions, at another place. */
export function tables(of: 'tables' | 'export', location: string, since?: string): readonly Table[] {
  const text = readFileSync(path.join(DEFINITIONS, `glue-${of}.json`), 'utf8');
  const folder = `${BUCKET}/${of}/`;
  const placed = JSON.stringify(JSON.parse(text)).replaceAll(folder, `${location}/`);
  if (placed.includes(BUCKET)) throw new Error(`glue-${of}.json: a location outside ${folder}, expected none`);
  return JSON.parse(since ? placed.replaceAll(FIRST_DAY, `${since},NOW`) : placed) as Table[];
}

/** The queries to begin with: each behind a line `-- name: what it answers`. */
export function queries(): readonly Query[] {
  const text = readFileSync(path.join(DEFINITIONS, 'queries.sql'), 'utf8');
  return text.split(/^-- (?=\w+: )/m).filter((part) => part.trim()).map((part) => {
    const [, name = '', description = '', sql = ''] = /^(\w+): (.*)\n([\s\S]*)$/.exec(part) ?? [];
    if (!sql.trim()) throw new Error(`queries.sql: ${JSON.stringify(part.slice(0, 40))}, expected a name, a description and a statement`);
    return { name, description, sql: sql.trim().replace(/;$/, '') };
  });
}

/** The archive for Athena: tables, a workgroup that bounds what a query may cost, queries to begin with. */
export class AnalyticsStack extends PartStack {
  constructor(scope: Construct, settings: Settings, archive: s3.IBucket, private readonly results: s3.IBucket) {
    super(scope, settings, 'analytics', settings.homeRegion, { description: 'cloudping: the archive for Athena' });
    const { prefix, exports } = settings.archive;
    const root = `s3://${archive.bucketName}`;
    const database = settings.name.replaceAll('-', '_');
    this.database(database, 'Live tables of the archive', tables('tables', `${root}/${prefix}`));
    if (exports) {
      const exported = tables('export', `${root}/${exports.folder}`, exports.since);
      this.database(`${database}_export`, 'Export of the archive: closed days and months', exported);
    }
    const group = this.workgroup();
    for (const query of queries()) {
      const saved = new athena.CfnNamedQuery(this, `Query-${query.name}`, {
        name: query.name, description: query.description, queryString: query.sql, database, workGroup: group.name,
      });
      saved.node.addDependency(group);
    }
  }

  private workgroup(): athena.CfnWorkGroup {
    return new athena.CfnWorkGroup(this, 'Workgroup', {
      name: this.settings.name,
      description: 'The archive, with a limit on what one query scans',
      recursiveDeleteOption: true,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: this.settings.analytics.scanLimitGiB * 1024 ** 3,
        engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
        resultConfiguration: {
          outputLocation: `s3://${this.results.bucketName}/results/`,
          encryptionConfiguration: { encryptionOption: 'SSE_S3' },
        },
      },
    });
  }

  /** As raw resources, so that the definitions go through word for word. */
  private database(name: string, description: string, of: readonly Table[]): void {
    const database = new CfnResource(this, `Database-${name}`, {
      type: 'AWS::Glue::Database',
      properties: { CatalogId: this.account, DatabaseInput: { Name: name, Description: description } },
    });
    for (const table of of) {
      const made = new CfnResource(this, `Table-${name}-${table.Name}`, {
        type: 'AWS::Glue::Table',
        properties: { CatalogId: this.account, DatabaseName: name, TableInput: table },
      });
      made.node.addDependency(database);
    }
  }
}
