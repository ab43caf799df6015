import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { conformanceServices, failures, LEAST_CASES, runConformance } from '../support/conformance-suite.js';
import { build, startProgram, type Program } from '../support/gateway/data-plane.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/ports.js';

const root = join(import.meta.dirname, '../..');

let folder: string;
let gateway: Program;
let ports: { readonly http: number; readonly admin: number; readonly echo: number };

beforeAll(async () => {
  await build();
  folder = await mkdtemp(join(tmpdir(), 'countersign-conformance-'));
  ports = { http: await freePort(), admin: await freePort(), echo: await freePort() };
  gateway = startProgram(
    ...['run', folder, '--http-port', String(ports.http), '--admin-port', String(ports.admin), '--drain-time', '1s'],
    ...['--envoy-concurrency', '1', ...conformanceServices(ports.echo).flatMap((each) => ['--service', each])],
    ...(process.env['COUNTERSIGN_ENVOY'] ? ['--envoy', process.env['COUNTERSIGN_ENVOY']] : []),
  );
  await eventually(
    async () => {
      if (gateway.child.exitCode !== null) throw new Error(gateway.output());
      const { ok } = await fetch(`http://127.0.0.1:${ports.admin}/readyz`);
      if (!ok) throw new Error('not ready yet');
    },
    { withinMs: 90_000, everyMs: 50 },
  );
}, 180_000);
afterAll(async () => {
  gateway?.child.kill('SIGTERM');
  await gateway?.exit;
  await rm(folder, { recursive: true, force: true });
}, 30_000);

test('countersign run conforms', async () => {
  const report = await runConformance([
    ...['--gateway', `http://127.0.0.1:${ports.http}`, '--echo-port', String(ports.echo)],
    ...['--folder', folder, '--admin', `http://127.0.0.1:${ports.admin}`],
  ]);
  expect(failures(report)).toEqual([]);
  expect(report.results.length).toBeGreaterThan(LEAST_CASES);
}, 180_000);

test('every example with objects of ours is applied by the suite', async () => {
  const { APPLIED } = (await import(pathToFileURL(join(root, 'test/conformance/examples.mjs')).href)) as {
    APPLIED: readonly string[];
  };
  const examples = join(root, 'examples');
  const folders = (await readdir(examples, { recursive: true }))
    .filter((name) => name.endsWith('.yaml') && !name.includes('node_modules'))
    .filter((name) => /^apiVersion: countersign\.dev\//m.test(readFileSync(join(examples, name), 'utf8')))
    .map((name) => dirname(name));
  expect([...new Set(folders)].sort()).toEqual([...APPLIED].sort());
});
