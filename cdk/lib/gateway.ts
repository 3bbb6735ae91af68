import { existsSync } from 'node:fs';
import path from 'node:path';
import { Stack, Tags, type App } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { GatewaySettings } from './gateway-settings';

const ROOT = path.resolve(import.meta.dirname, '../..');
const TEMPLATES = path.join(ROOT, 'udp-gateway/packet-counter/templates');
/** The destination of the template. */
const DESTINATION = 'packet-counter';

const IMAGE_ARM = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64';

/** The files that the stacks bring along. */
export interface GatewayPackages {
  /** The program `cloudping`, with the feature aws. */
  readonly gateway: string;
  /** The packet counter's archive. */
  readonly counter: string;
}

/** What stands for the programs where only templates are made. */
export function placeholders(): GatewayPackages {
  const file = path.join(ROOT, 'cdk/placeholder/function/bootstrap');
  return { gateway: file, counter: file };
}

/** What `cargo xtask package` and `cargo build` made. Throws, and names all that is missing. */
export function built({ architecture }: GatewaySettings, target = path.join(ROOT, 'target')): GatewayPackages {
  const packages = { gateway: path.join(target, 'release/cloudping'), counter: path.join(target, `packages/packet-counter-${architecture}.zip`) };
  const missing = Object.values(packages).filter((file) => !existsSync(file));
  if (missing.length > 0) {
    const remedy = `run cargo xtask package packet-counter --arch ${architecture} and cargo build --release --features aws -p cloudping, then try again`;
    throw new Error(`not built:\n  ${missing.join('\n  ')}\n${remedy}`);
  }
  return packages;
}

/** A stack that is a template of the example, with its files as assets: whoever deploys without the CDK deploys the same. */
class TemplateStack extends Stack {
  readonly template: CfnInclude;

  constructor(app: App, settings: GatewaySettings, part: string, region: string, template: string, parameters: (stack: Stack) => Record<string, unknown>) {
    super(app, `${settings.name}-${part}`, { env: { account: settings.account, region } });
    Tags.of(this).add('application', settings.name);
    this.template = new CfnInclude(this, 'Template', {
      templateFile: path.join(TEMPLATES, template),
      parameters: parameters(this),
      preserveLogicalIds: true,
    });
  }
}

/** The stack of the gateway, and one for each region's counter. */
export function gatewayStacks(app: App, settings: GatewaySettings, packages: GatewayPackages): readonly Stack[] {
  const { homeRegion, architecture, name } = settings;
  const arm = architecture === 'arm64';
  const home = new TemplateStack(app, settings, 'global', homeRegion, 'global.yaml', (stack) => {
    const program = new Asset(stack, 'Program', { path: packages.gateway });
    return {
      ClientCidrToAllow: settings.clients,
      ListenerPort: settings.port,
      ...(settings.matrixUrl === null ? {} : { MatrixUrl: settings.matrixUrl }),
      ProgramBucket: program.s3BucketName,
      ProgramKey: program.s3ObjectKey,
      InstanceType: arm ? 'c7g.large' : 'c7i.large',
    };
  });
  // A parameter that names a parameter: it is CloudFormation that looks it up.
  if (arm) home.template.getParameter('Image').default = IMAGE_ARM;
  // It is made of names, so that no region waits for another's outputs.
  const destination = `${homeRegion}/${name}-global/${DESTINATION}`;
  const regions = settings.regions.map((region) => {
    const counter = new TemplateStack(app, settings, `region-${region}`, region, 'region.yaml', (stack) => {
      const code = new Asset(stack, 'Code', { path: packages.counter });
      return { DestinationId: destination, CodeBucket: code.s3BucketName, CodeKey: code.s3ObjectKey, Architecture: architecture };
    });
    counter.addStackDependency(home);
    return counter;
  });
  return [home, ...regions];
}
