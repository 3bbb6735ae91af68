import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Settings } from '../settings';

export type FunctionName = 'producer' | 'stream-processor' | 'batch-rollup' | 'ingest-door' | 'region-manager';
export type ImageName = 'query-service' | 'upkeep';

/** Where the programs come from that stacks deploy. */
export interface Packages {
  code(name: FunctionName): lambda.Code;
  /** The same as a file, or as a folder that becomes one. */
  zip(name: FunctionName): string;
  image(name: ImageName): ecs.ContainerImage;
  /** The program of the query service as a file, for an instance. */
  readonly service: string;
}

const HERE = path.resolve(import.meta.dirname, '..');
/** Where cargo builds: `cargo xtask deploy` says it. */
const TARGET = process.env['CLOUDPING_TARGET'] ?? path.resolve(HERE, '../target');

/** What stands for the programs where only templates are made. */
export function placeholders(): Packages {
  return {
    code: () => lambda.Code.fromAsset(path.join(HERE, 'placeholder/function')),
    zip: () => path.join(HERE, 'placeholder/function'),
    image: () => ecs.ContainerImage.fromAsset(path.join(HERE, 'placeholder/image')),
    service: path.join(HERE, 'placeholder/function/bootstrap'),
  };
}

/** What `cargo xtask package` and, for the upkeep, `cargo build` made. Throws, and names all that is missing. */
export function built(settings: Settings, target = TARGET): Packages {
  const { architecture, rollup, serving } = settings;
  const zip = (name: FunctionName) => path.join(target, `packages/${name}-${architecture}.zip`);
  const programs: Record<ImageName, string> = {
    'query-service': path.join(target, `packages/${architecture}-lambda/cloudping-query-service/bootstrap`),
    upkeep: path.join(target, 'release/cloudping'),
  };
  const wanted = (['producer', 'stream-processor', 'batch-rollup'] as const).map(zip);
  if (settings.ingest) wanted.push(zip('ingest-door'));
  if (settings.regionManager) wanted.push(zip('region-manager'));
  wanted.push(programs['query-service']);
  if (rollup.size === 'large') wanted.push(programs.upkeep);
  const rules = serving.alerts && path.join(HERE, serving.alerts.rules);
  const missing = [...wanted, ...(rules ? [rules] : [])].filter((file) => !existsSync(file));
  if (missing.length > 0) {
    const remedy = `run cargo xtask package --arch ${architecture} (and, for a large rollup, cargo build --release --features aws -p cloudping), then try again`;
    throw new Error(`not built:\n  ${missing.join('\n  ')}\n${remedy}`);
  }
  const platform = architecture === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64;
  return {
    code: (name) => lambda.Code.fromAsset(zip(name)),
    zip,
    image: (name) => ecs.ContainerImage.fromAsset(stage(name, programs[name], rules), { platform }),
    service: programs['query-service'],
  };
}

/** A folder with nothing in it but what the image needs: the whole of it decides whether an image is built anew. */
function stage(name: ImageName, program: string, rules: string | null): string {
  const folder = path.join(HERE, '.images', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'extra'), { recursive: true });
  copyFileSync(path.join(HERE, `image/${name}.Dockerfile`), path.join(folder, 'Dockerfile'));
  copyFileSync(program, path.join(folder, 'program'));
  if (rules && name === 'query-service') copyFileSync(rules, path.join(folder, 'extra/alerts.toml'));
  return folder;
}
