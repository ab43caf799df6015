/** A dry run of the release, and what it refuses. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'countersign-release-'));
const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };

function release(...args: string[]) {
  const path = [process.env['KUBEBUILDER_ASSETS'], process.env['PATH']].filter(Boolean).join(delimiter);
  return spawnSync(process.execPath, ['scripts/release.mjs', ...args, '--out', out], {
    cwd: repository,
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  });
}

interface Sbom {
  readonly components: readonly { readonly name: string; readonly version: string; readonly type: string }[];
}

describe('a dry run of the release', () => {
  let files: readonly string[];
  beforeAll(() => {
    const { status, stderr } = release(version, '--dry-run');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    files = readdirSync(out);
  }, 120_000);
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  test('leaves package, manifests, SBOM and notes', () => {
    const wanted = ['npm.tgz', 'crds.yaml', 'sbom.cdx.json', 'notes.md'].map(
      (name) => `countersign-${version}-${name}`,
    );
    expect(files).toEqual(expect.arrayContaining(wanted));
  });

  test('leaves sums of all of it', () => {
    const lines = readFileSync(join(out, 'SHA256SUMS'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(files.length - 1);
    for (const line of lines) {
      const [sum, name] = line.split('  ');
      expect(
        createHash('sha256')
          .update(readFileSync(join(out, name!)))
          .digest('hex'),
      ).toBe(sum);
    }
  });

  test('lists in the SBOM what the image holds, Node and the base image, and nothing for development', () => {
    const sbom = JSON.parse(readFileSync(join(out, `countersign-${version}-sbom.cdx.json`), 'utf8')) as Sbom;
    const names = sbom.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['@grpc/grpc-js', 'node', 'gcr.io/distroless/nodejs24-debian13']));
    expect(names.filter((name) => /^(@types\/.*|jest|typescript|eslint)$/.test(name))).toEqual([]);
  });
});

describe('a release', () => {
  test('refuses a version that the files do not have', () => {
    const { status, stderr } = release('99.0.0');
    expect(status).toBe(1);
    expect(stderr).toContain(`package.json says ${version}`);
  });

  test.each([['1.0'], ['v1.0.0'], ['']])('refuses %p as a version', (text) => {
    expect(release(text).status).toBe(1);
  });
});
