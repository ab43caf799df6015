// `npm run demo [-- --serve]`: from a fresh clone to the quickstart answering signed requests.
// Runs on any Node that npm runs on; the demo itself runs on the Node that npm ci installs.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `Usage: npm run demo [-- --serve]

Builds Countersign, starts Redis, a backend and a gateway for examples/quickstart, sends about twenty requests, most
of them with the vendors' SDKs, and prints what came of each. Everything ends with it.

Options:
  --serve     keep running afterwards, until Ctrl-C, and print what to try
  -h, --help  print this
`;

function readOptions() {
  try {
    return parseArgs({ options: { serve: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }).values;
  } catch (error) {
    console.error(`error: ${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const { serve = false, help = false } = readOptions();
if (help) {
  console.log(USAGE);
  process.exit(0);
}
// Nobody reads any more (`| head`). Once the demo itself runs, it finds that out by itself, and ends what it started.
process.stdout.on('error', () => process.exit(1));

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
const child = spawn(node, [join(root, 'scripts/demo/main.mjs'), ...(serve ? ['--serve'] : [])], {
  cwd: root,
  stdio: 'inherit',
});
// A terminal signals the child too, which takes both for one wish.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
