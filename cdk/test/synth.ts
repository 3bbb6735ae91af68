import path from 'node:path';
import { App } from 'aws-cdk-lib';
import { deployment } from '../lib/deployment';
import { placeholders } from '../lib/packages';
import { changed, context, deployed, large, managed } from './support';

/** Writes the templates that are linted and deployed in tests, each deployment into a folder of its own: `npm run synth:tests`. */
for (const [name, settings] of Object.entries({ deployed: deployed(), changed: changed(), large: large(), managed: managed() })) {
  const app = new App({ context, outdir: path.resolve(import.meta.dirname, '../cdk.out', name) });
  deployment(app, settings, placeholders());
  app.synth();
}
