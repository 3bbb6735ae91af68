// Runs cfn-lint over all templates in cdk.out. CFN_LINT names the program; unless given it is looked for, and passed over where it is not installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const folder = new URL('../cdk.out/', import.meta.url);
const found = existsSync(folder) ? readdirSync(folder, { recursive: true }) : [];
const templates = found.filter((name) => name.endsWith('.template.json'));
if (templates.length === 0) {
  console.error('no templates in cdk.out: npm run synth makes them');
  process.exit(2);
}
// W3005: a dependency that a reference implies too; CDK writes it wherever one resource is told to wait for another.
const args = ['--ignore-checks', 'W3005', '--', ...templates.map((name) => new URL(name, folder).pathname)];
const program = process.env.CFN_LINT;
const { error, status } = spawnSync(program ?? 'cfn-lint', args, { stdio: 'inherit' });
if (error) {
  const missing = error.code === 'ENOENT' && !program;
  console.error(`cfn-lint: ${missing ? 'not installed; pip install cfn-lint' : error.message}`);
  process.exit(missing ? 0 : 2);
}
if (status === 0) console.log(`${templates.length} templates are clean`);
process.exit(status ?? 2);
