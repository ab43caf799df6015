// What the image holds under /app. The Dockerfile and assemble.mjs both run this, so that neither can drift.
// Usage: node scripts/image/stage.mjs FOLDER   (after `npm run build`; needs npm and the registry, or its cache)
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What comes from the repository; everything else under /app is installed from package-lock.json. */
export const FROM_REPOSITORY = ['package.json', 'LICENSE', 'NOTICE', 'crds', 'dist'];

/** Read by compilers and editors only, never at run time; half of what npm installs. */
const NOT_RUN = /\.(ts|mts|cts|map|tsbuildinfo|flow)$/;

/** Fills `folder`, which must not hold anything yet. */
export function stage(folder) {
  if (!existsSync(join(root, 'dist/cli/main.js'))) throw new Error('dist/ is missing: npm run build');
  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(root, name), join(folder, name));
  // No install script runs: none of the production dependencies needs one, and none gets to run in a build.
  const npm = spawnSync(
    'npm',
    ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (npm.status !== 0) throw new Error('npm ci --omit=dev failed');
  rmSync(join(folder, 'package-lock.json'));
  for (const name of ['.bin', '@types']) rmSync(join(folder, 'node_modules', name), { recursive: true, force: true });
  for (const name of FROM_REPOSITORY) cpSync(join(root, name), join(folder, name), { recursive: true });
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (file.isFile() && NOT_RUN.test(file.name)) rmSync(join(file.parentPath, file.name));
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (!folder) {
    console.error('Usage: node scripts/image/stage.mjs FOLDER');
    process.exit(1);
  }
  stage(resolve(folder));
}
