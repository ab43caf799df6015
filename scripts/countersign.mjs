// `npm run -s countersign -- ARGS` from a checkout: builds when dist is older than src, then runs the CLI.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = join(root, 'node_modules/.bin/node');
const main = join(root, 'dist/cli/main.js');
const newest = (folder) =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => statSync(join(f.parentPath, f.name)).mtimeMs),
  );

if (!existsSync(node)) {
  console.error('Dependencies are missing. Run: npm ci');
  process.exit(1);
}
if (!existsSync(main) || newest(join(root, 'dist')) < newest(join(root, 'src'))) {
  console.error('building…');
  const build = spawnSync(
    node,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
    { stdio: ['ignore', 2, 'inherit'] },
  );
  if (build.status !== 0) process.exit(1);
}
// npm changes the working directory to the checkout; the user's own is INIT_CWD.
const child = spawn(node, [main, ...process.argv.slice(2)], {
  stdio: 'inherit',
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
// Stay until the child has ended. Ctrl-C on a terminal reaches the child without us: it is in the same group.
const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
process.on('SIGINT', () => onTerminal || child.kill('SIGINT'));
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
