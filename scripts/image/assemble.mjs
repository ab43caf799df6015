// The root filesystem of the image without Docker, to run what the image contains where no Docker is.
// Usage: node scripts/image/assemble.mjs OUT   → OUT/rootfs and OUT/image.json (entrypoint, cmd, user, workdir, env)
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addBinary, createRoot } from './root-filesystem.mjs';
import { stage } from './stage.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What `docker inspect` would show, read from the last stage of the Dockerfile. */
export function imageConfig(dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')) {
  const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  const value = (word) => new RegExp(`^${word} (.+)$`, 'm').exec(last)?.[1];
  const env = [...last.matchAll(/^ENV (\S+)$/gm)].map(([, pair]) => pair);
  return {
    entrypoint: JSON.parse(value('ENTRYPOINT')),
    cmd: JSON.parse(value('CMD')),
    user: value('USER'),
    workdir: value('WORKDIR'),
    env,
  };
}

/** @returns {{ rootfs: string, config: ReturnType<typeof imageConfig> }} */
export function assemble(out, { node = join(root, 'node_modules/.bin/node') } = {}) {
  rmSync(out, { recursive: true, force: true });
  const rootfs = join(out, 'rootfs');
  mkdirSync(rootfs, { recursive: true });
  const config = imageConfig();
  createRoot(rootfs);
  addBinary(rootfs, node, config.entrypoint[0]);
  stage(join(rootfs, config.workdir));
  writeFileSync(join(out, 'image.json'), `${JSON.stringify(config, null, 2)}\n`);
  return { rootfs, config };
}

/** Bytes of all files below `folder`. */
export const sizeOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);

export const inMegabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const out = process.argv[2];
  if (!out) {
    console.error('Usage: node scripts/image/assemble.mjs OUT');
    process.exit(1);
  }
  const { rootfs, config } = assemble(resolve(out));
  for (const part of [config.entrypoint[0], join(config.workdir, 'node_modules'), join(config.workdir, 'dist')]) {
    const path = join(rootfs, part);
    console.log(`${part}  ${inMegabytes(statSync(path).isDirectory() ? sizeOf(path) : statSync(path).size)}`);
  }
  console.log(`${rootfs}  ${inMegabytes(sizeOf(rootfs))}`);
}
