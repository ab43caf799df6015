// `npm run demo [-- --serve]`: from a fresh clone to the quickstart answering signed requests.
// Runs on any Node that npm runs on; the demo itself runs on the Node that npm ci installs.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = join(root, 'node_modules/.bin/node');
const step = (text, command, args) => {
  console.log(text);
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status !== 0) {
    console.error(`failed: ${command} ${args.join(' ')}`);
    process.exit(1);
  }
};

if (existsSync(node)) console.log('1/3 dependencies are installed');
else step('1/3 installing dependencies (npm ci)…', 'npm', ['ci', '--no-audit', '--no-fund']);
step('2/3 building…', node, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')]);
console.log('3/3 starting Redis, the backend and the gateway (the first time Envoy and Valkey are downloaded)…');
const child = spawn(node, [join(root, 'scripts/demo/main.mjs'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
// A terminal sends SIGINT to the child too; a second one would mean: end at once.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code) => process.exit(code ?? 1));
