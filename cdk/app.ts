import { App } from 'aws-cdk-lib';
import { deployment } from './lib/deployment';
import { nag } from './lib/nag';
import { built, placeholders } from './lib/packages';
import { read } from './settings';

const app = new App();
try {
  // Another file, for another deployment: `--context settings=staging.json`.
  const own: unknown = app.node.tryGetContext('settings');
  const settings = read(typeof own === 'string' ? own : new URL('settings.json', import.meta.url));
  const chosen: unknown = app.node.tryGetContext('packages') ?? process.env['CLOUDPING_PACKAGES'];
  const packages = chosen === 'placeholder' ? placeholders() : built(settings);
  nag(app, deployment(app, settings, packages));
  app.synth();
} catch (error) {
  // Settings and packages are the reader's own: a stack trace would only hide what is wrong with them.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
