import { App } from 'aws-cdk-lib';
import { built, gatewayStacks, placeholders } from './lib/gateway';
import { gatewayNag } from './lib/gateway-nag';
import { read } from './lib/gateway-settings';

const app = new App();
try {
  // Another file, for another deployment: `--context settings=mine.json`.
  const own: unknown = app.node.tryGetContext('settings');
  const settings = read(typeof own === 'string' ? own : new URL('gateway.json', import.meta.url));
  const chosen: unknown = app.node.tryGetContext('packages') ?? process.env['CLOUDPING_PACKAGES'];
  const packages = chosen === 'placeholder' ? placeholders() : built(settings);
  gatewayNag(app, gatewayStacks(app, settings, packages));
  app.synth();
} catch (error) {
  // Settings and packages are the reader's own: a stack trace would only hide what is wrong with them.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
