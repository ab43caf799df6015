/** The scripts for kind, with programs in place of docker, kind, kubectl and helm that write down how they are called. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Runs `kind.mjs` where only these programs are on PATH; each is the body of a shell script. */
function kind(command: string, programs: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-kind-test-'));
  folders.push(folder);
  const log = join(folder, 'calls');
  writeFileSync(log, '');
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >> '${log}'\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const { status, stderr } = spawnSync(process.execPath, ['scripts/kind.mjs', command], {
    cwd: repository,
    encoding: 'utf8',
    env: { PATH: folder },
  });
  return { status, stderr, calls: readFileSync(log, 'utf8').trim().split('\n') };
}
const all = { docker: '', kind: '', kubectl: '', helm: '' };

describe('kind.mjs', () => {
  test.each([
    ['docker is not on PATH', {}],
    ['docker has no daemon that answers', { ...all, docker: 'test "$1" = --version' }],
    ['kind is not on PATH', { docker: '' }],
    ['helm is not on PATH', { docker: '', kind: '', kubectl: '' }],
  ])('says in one line that %s', (reason, programs) => {
    const { status, stderr } = kind('up', programs);
    expect({ status, stderr }).toEqual({ status: 1, stderr: `kind:up cannot run here: ${reason}\n` });
  });

  test('makes the cluster, loads the image that it built and installs the chart', () => {
    const { status, calls } = kind('up', all);
    expect(status).toBe(0);
    expect(calls.filter((call) => / (create|build|load|upgrade) /.test(call))).toEqual([
      expect.stringMatching(/^kind create cluster --name countersign --config \S+ --wait 120s$/),
      'docker build --tag countersign:dev .',
      'kind load docker-image countersign:dev --name countersign',
      expect.stringMatching(
        /^helm upgrade --install countersign charts\/countersign --kube-context kind-countersign .*--wait$/,
      ),
    ]);
  });

  test('keeps a cluster that is there', () => {
    const { calls } = kind('up', { ...all, kind: 'test "$1 $2" != "get clusters" || echo countersign' });
    expect(calls.filter((call) => call.startsWith('kind create'))).toEqual([]);
  });

  test('e2e takes away a release that is there, and runs the suite on that cluster', () => {
    // The run ends at its first question, which this kubectl does not answer.
    const { status, calls } = kind('e2e', { ...all, kubectl: 'test "$1" != config' });
    expect(status).toBe(1);
    const order = ['kind load', 'helm uninstall', 'kubectl config view'];
    const found = order.map((start) => calls.findIndex((call) => call.startsWith(start)));
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found[0]).toBeGreaterThan(0);
    expect(calls.at(found[2]!)).toContain('--context kind-countersign');
  });

  test('ends with the failure of a step', () => {
    const { status, stderr } = kind('up', { ...all, docker: 'test "$1" != build' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'docker build failed\n' });
  });
});
