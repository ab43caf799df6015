/** A file that cannot be read at the start: the rest is served, and nobody who waits for readiness sends requests. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { apiGroup, toYaml, urlBackend } from '../support/resources/resources.js';

let gateway: TestGateway;
const group = (name: string) => toYaml(apiGroup(name, { access: { authentication: 'None' }, backend: urlBackend(1) }));
beforeAll(async () => {
  gateway = await startGateway({ files: { 'good.yaml': group('good'), 'plan.yaml': 'kind: UsagePlan\nspec: [\n' } });
}, 120_000);
afterAll(async () => gateway?.close());

const readiness = async (): Promise<{ status: number; text: string }> => {
  const response = await fetch(`${gateway.adminUrl}/readyz`);
  return { status: response.status, text: await response.text() };
};

test('readiness names the file and its place while the others are served', async () => {
  const { status, text } = await readiness();
  expect(status).toBe(503);
  expect(text).toMatch(/configuration: plan\.yaml:\d+:\d+: .*; what it holds is not in force/);
  // Its backend does not listen; another path has no group.
  expect((await fetch(`${gateway.httpUrl}/good/v1`)).status).toBe(503);
  expect((await fetch(`${gateway.httpUrl}/other`)).status).toBe(404);
  expect(gateway.logs.filter(({ level }) => level === 'warn').map(({ msg }) => msg)).toContainEqual(
    expect.stringContaining('plan.yaml:'),
  );
});

test('is there once the file is mended, and stays when it breaks again', async () => {
  await gateway.edit({ 'plan.yaml': group('more') });
  await eventually(async () => expect((await readiness()).status).toBe(200));
  await gateway.edit({ 'plan.yaml': 'a: [', 'new.yaml': 'a: [' });
  await eventually(async () => expect((await gateway.status()).problems).toHaveLength(2));
  expect((await readiness()).status).toBe(200);
});

test('of a folder without any object the log asks whether it is the right one', async () => {
  const empty = await startGateway({ files: {} });
  const told = empty.logs.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
  await empty.close();
  expect(told).toContainEqual(expect.stringMatching(/is in this folder; is it the right one\?$/));
  expect(gateway.logs.map(({ msg }) => msg).join('\n')).not.toContain('is it the right one');
}, 60_000);
