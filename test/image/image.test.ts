/** What the image contains, run as it would run: read-only root, user 65532, no capabilities, nothing of the machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, type Dirent } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'countersign-image-'));
const rootfs = join(out, 'rootfs');

interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly user: string;
  readonly workdir: string;
}
interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;
const manifest = readJson<Manifest>(join(repository, 'package.json'));
let config: ImageConfig;
let files: readonly string[];

beforeAll(() => {
  execFileSync('npm', ['run', '-s', 'build'], { cwd: repository });
  const sizes = execFileSync(process.execPath, ['scripts/image/assemble.mjs', out], { cwd: repository });
  process.stderr.write(`${sizes.toString().replaceAll(rootfs, 'image')}`);
  config = readJson(join(out, 'image.json'));
  files = readdirSync(rootfs, { recursive: true, withFileTypes: true })
    .filter((entry: Dirent) => !entry.isDirectory())
    .map((entry: Dirent) => join(entry.parentPath, entry.name).slice(rootfs.length));
}, 120_000);
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Runs a command line in the root filesystem, mounted read-only, as the image's user and without any capability. */
function runInImage(args: readonly string[], command = config.entrypoint): SpawnSyncReturns<string> {
  const mounts = 'r=$1 u=$2; shift 2; mount --bind "$r" "$r" && mount -o remount,ro,bind "$r"';
  const enter = `${mounts} && exec chroot --userspec="$u" --groups="" "$r" "$@"`;
  const words = [enter, 'image', rootfs, config.user, ...command, ...args];
  return spawnSync('unshare', ['--mount', '--net', '--ipc', 'sh', '-c', ...words], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: process.env['PATH'] ?? '' },
  });
}

const isRoot = process.getuid?.() === 0;
(isRoot ? describe : describe.skip)('the image, run', () => {
  test('prints its version', () => {
    const { status, stdout, stderr } = runInImage(['version', '--output', 'json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ countersign: manifest.version });
  });

  test('prints its help when nothing is asked', () => {
    const { status, stdout } = runInImage(config.cmd);
    expect(status).toBe(0);
    expect(stdout).toContain('controller');
  });

  test.each(['controller', 'authorizer', 'bootstrap', 'run', 'lint', 'sign', 'verify'])(
    'loads everything that `%s` needs',
    (command) => {
      const { status, stderr } = runInImage([command, '--help']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );

  test('loads every module of the product', () => {
    const script = `for (const file of require('node:fs').readdirSync('/app/dist', { recursive: true }))
      if (file.endsWith('.js') && file !== 'cli/main.js') await import('/app/dist/' + file)`;
    const wrapped = `(async () => { ${script} })().then(() => process.exit(0), (e) => { console.error(e.message); process.exit(1) })`;
    const { status, stderr } = runInImage(['-e', wrapped], config.entrypoint.slice(0, 1));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('runs as nobody in particular and cannot write', () => {
    const script = `const fs = require('node:fs');
      let wrote = [];
      for (const f of ['/app/x', '/tmp/x', '/x']) try { fs.writeFileSync(f, ''); wrote.push(f) } catch {}
      console.log(JSON.stringify({ uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(), wrote }))`;
    const { stdout } = runInImage(['-e', script], config.entrypoint.slice(0, 1));
    expect(JSON.parse(stdout)).toEqual({ uid: 65532, gid: 65532, groups: [65532], wrote: [] });
  });
});

describe('the image, looked into', () => {
  test('holds no shell, no package manager and no other executable than Node', () => {
    const executables = files.filter((file) => {
      const path = join(rootfs, file);
      return !/\.so(\.|$)|\/app\//.test(file) && (statSync(path).mode & 0o111) !== 0;
    });
    expect(executables).toEqual([config.entrypoint[0]]);
    expect(files.filter((file) => /\/(npm|npx|corepack|yarn|sh|bash|busybox)$/.test(file))).toEqual([]);
  });

  test('holds the production dependencies that the lock file names, and no development dependency', () => {
    const { packages } = readJson<{ packages: Record<string, { dev?: boolean; optional?: boolean; peer?: boolean }> }>(
      join(repository, 'package-lock.json'),
    );
    const installed = Object.keys(
      readJson<{ packages: Record<string, unknown> }>(join(rootfs, 'app/node_modules/.package-lock.json')).packages,
    );
    expect(installed.filter((path) => packages[path]?.dev !== undefined)).toEqual([]);
    expect(Object.keys(manifest.dependencies).filter((name) => !installed.includes(`node_modules/${name}`))).toEqual(
      [],
    );
    const development = Object.keys(manifest.devDependencies).filter((name) => !(name in manifest.dependencies));
    expect(development.filter((name) => files.some((file) => file.startsWith(`/app/node_modules/${name}/`)))).toEqual(
      [],
    );
  });

  test('holds no source, test, repository, cache or key', () => {
    const allowed = /^\/app\/(package\.json|LICENSE|NOTICE|crds\/|dist\/|node_modules\/)/;
    expect(files.filter((file) => file.startsWith('/app/') && !allowed.test(file))).toEqual([]);
    expect(files.filter((file) => /\.(ts|map|tsbuildinfo|key|p12)$/.test(file))).toEqual([]);
    expect(files.filter((file) => /\/\.(git|npmrc|npm|cache|env)(\/|$)/.test(file))).toEqual([]);
  });

  test('has the licence of every package it holds, or its name in the package', () => {
    const packages = files.filter((file) => /^\/app\/node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file));
    const without = packages.filter(
      (file) => readJson<{ license?: unknown; licenses?: unknown }>(join(rootfs, file)).license === undefined,
    );
    expect(packages.length).toBeGreaterThan(50);
    expect(without).toEqual([]);
  });

  test('is small: Node, and less than 70 MB besides', () => {
    const bytes = files
      .filter((file) => file !== config.entrypoint[0])
      .reduce((sum, file) => sum + statSync(join(rootfs, file)).size, 0);
    expect(bytes).toBeLessThan(70e6);
  });
});

describe('the Dockerfile', () => {
  const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8');
  const stages = dockerfile.split(/^(?=FROM )/m);
  const last = stages.at(-1) ?? '';

  test('copies nothing into the image but the folder that stage.mjs fills', () => {
    expect(stages.at(-2)).toContain('node scripts/image/stage.mjs /image/app');
    expect(last.match(/^(COPY|ADD|RUN) .*$/gm)).toEqual(['COPY --from=build /image/ /']);
  });

  test('lets every base be pinned, and runs as a numeric user', () => {
    expect(dockerfile.match(/^FROM .*$/gm)).toEqual([
      'FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build',
      'FROM ${RUNTIME_IMAGE}',
    ]);
    expect(last).toMatch(/^USER 65532:65532$/m);
  });

  test('sends to the build only what stage.mjs and tsc read', () => {
    const allowed = readFileSync(join(repository, '.dockerignore'), 'utf8').match(/^!(.*)$/gm);
    expect(readFileSync(join(repository, '.dockerignore'), 'utf8')).toMatch(/^\*$/m);
    expect(allowed?.map((line) => line.slice(1)).sort()).toEqual([
      'LICENSE',
      'NOTICE',
      'crds',
      'package-lock.json',
      'package.json',
      'scripts/image',
      'src',
      'tsconfig.build.json',
      'tsconfig.json',
    ]);
  });

  test('has the labels that registries and scanners read', () => {
    for (const name of ['title', 'description', 'licenses', 'source', 'version', 'revision', 'created'])
      expect(last).toContain(`org.opencontainers.image.${name}=`);
  });
});
