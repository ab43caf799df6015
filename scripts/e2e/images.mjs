// Root filesystems of every image that the end-to-end run starts, without Docker and without a registry: the product,
// and from this machine's binaries Envoy, Valkey and Node (for the example backend). Only the first is ever shipped.
// Usage: node scripts/e2e/images.mjs OUT   → OUT/NAME/rootfs, OUT/NAME/image.json; after `npm run build`
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findEnvoy } from '../../dist/app/binaries/envoy.js';
import { findRedisServer } from '../../dist/app/binaries/redis.js';
import { assemble, inMegabytes, sizeOf } from '../image/assemble.mjs';
import { addBinary, createRoot } from '../image/root-filesystem.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const out = resolve(process.argv[2] ?? '');
if (!process.argv[2]) {
  console.error('Usage: node scripts/e2e/images.mjs OUT');
  process.exit(1);
}
const log = (line) => console.error(line);

/** Where the published images of each have the executable, so that the chart's command finds it in either. */
const others = [
  {
    name: 'envoy',
    binary: (await findEnvoy({ configured: process.env.COUNTERSIGN_ENVOY, log })).path,
    user: '101:101',
  },
  { name: 'valkey', binary: await findRedisServer({ configured: undefined, log }), user: '999:999' },
  { name: 'node', binary: join(root, 'node_modules/.bin/node'), user: '1000:1000' },
];
const targets = {
  envoy: ['/usr/local/bin/envoy'],
  valkey: ['/usr/local/bin/valkey-server', '/usr/local/bin/redis-server'],
  node: ['/usr/local/bin/node'],
};

const product = assemble(join(out, 'countersign'));
console.log(`countersign  ${inMegabytes(sizeOf(product.rootfs))}`);
for (const { name, binary, user } of others) {
  const folder = join(out, name);
  const rootfs = join(folder, 'rootfs');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(rootfs, { recursive: true });
  createRoot(rootfs);
  for (const target of targets[name]) addBinary(rootfs, binary, target);
  const config = { entrypoint: [targets[name][0]], cmd: [], user, workdir: '/', env: [] };
  writeFileSync(join(folder, 'image.json'), `${JSON.stringify(config, null, 2)}\n`);
  console.log(`${name}  ${inMegabytes(sizeOf(rootfs))}`);
}
