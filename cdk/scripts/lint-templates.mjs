// Runs cfn-lint over the templates of the last synthesis, where it is installed: pip install cfn-lint
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const folder = new URL('../cdk.out/', import.meta.url);
const templates = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.template.json')) : [];
if (templates.length === 0) {
  console.error('no templates in cdk.out: npm run synth makes them');
  process.exit(2);
}
// W3005: a dependency that a reference implies too; CDK writes it wherever one resource is told to wait for another.
const args = ['--ignore-checks', 'W3005', '--', ...templates.map((name) => new URL(name, folder).pathname)];
const { error, status } = spawnSync('cfn-lint', args, { stdio: 'inherit' });
if (error) {
  console.error(`cfn-lint: ${error.code === 'ENOENT' ? 'not installed; pip install cfn-lint' : error.message}`);
  process.exit(error.code === 'ENOENT' ? 0 : 2);
}
if (status === 0) console.log(`${templates.length} templates are clean`);
process.exit(status ?? 2);
