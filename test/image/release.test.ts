/** A dry run of the release, and what it refuses. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

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
  let output: string;
  beforeAll(() => {
    const { status, stdout, stderr } = release(version, '--dry-run');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    output = stdout;
    files = readdirSync(out);
  }, 120_000);
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  test('leaves package, manifests, SBOM and notes', () => {
    const wanted = ['npm.tgz', 'sbom.cdx.json', 'notes.md'].map((name) => `countersign-${version}-${name}`);
    expect(files).toEqual(expect.arrayContaining([...wanted, 'crds.yaml', 'install.yaml']));
  });

  test('leaves the chart, where helm is there to pack it', () => {
    const packed = /^chart +\S*\/(\S+\.tgz)$/m.exec(output)?.[1];
    if (packed === undefined) expect(output).toContain('not packed: helm is not on PATH');
    else expect([packed, files.includes(packed)]).toEqual([`countersign-${version}.tgz`, true]);
  });

  test('leaves what the example repository loads from a release, under that name', () => {
    const { resources } = parse(
      readFileSync(join(repository, 'examples/gitops/platform/crds/kustomization.yaml'), 'utf8'),
    ) as { resources: readonly string[] };
    const [, tag, file] = /\/releases\/download\/([^/]+)\/([^/]+)$/.exec(resources[0] ?? '') ?? [];
    expect({ resources: resources.length, tag }).toEqual({ resources: 1, tag: `v${version}` });
    expect(files).toContain(file);
    expect(output).toMatch(/^ {2}gh release create v\S+ .*\/\*$/m);
  });

  test('names the chart as charts/countersign in a registry, as documentation and example look for it in theirs', () => {
    const pushed = /helm push \S+\/countersign-(\S+)\.tgz (oci:\S+)/.exec(output);
    expect(pushed?.[1]).toBe(version);
    expect(pushed?.[2]).toMatch(/[/]charts$/);
    for (const file of ['docs/upgrade.md', 'examples/gitops/platform/flux/release.yaml']) {
      const text = readFileSync(join(repository, file), 'utf8');
      expect(text).toMatch(/oci:[/][/](registry[.]example[.]com|REGISTRY)[/]charts[/]countersign/);
      // Nothing is published under the project's own name yet: whoever takes it first must not be asked.
      expect(text).not.toContain(`${pushed?.[2]}/countersign`);
    }
  });

  test('has compared the CRDs with those of the release before', () => {
    expect(output).toMatch(/^crds +\S/m);
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

  test('lists in the SBOM what the image holds, with its base image, and nothing for development', () => {
    const sbom = JSON.parse(readFileSync(join(out, `countersign-${version}-sbom.cdx.json`), 'utf8')) as Sbom;
    const names = sbom.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['@grpc/grpc-js', 'gcr.io/distroless/nodejs24-debian13']));
    expect(names.filter((name) => /^(@types\/.*|jest|typescript|eslint|node)$/.test(name))).toEqual([]);
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

  test('tells its options when asked, or when one is misspelt', () => {
    expect(release('--help')).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('--platforms') });
    const { status, stderr } = release(version, '--dryrun');
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^Unknown option '--dryrun'.*\nUsage: /),
    });
  });
});
