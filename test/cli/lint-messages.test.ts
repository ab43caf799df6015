/** What a person reads who has made a mistake: it must say what to do, or what there is. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../support/cli.js';
import {
  apiGroup,
  backendKey,
  grant,
  importedKey,
  toYaml,
  urlBackend,
  usagePlan,
} from '../support/resources/resources.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-messages-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

/** Lines of lint, from the severity. */
async function lint(...objects: Readonly<Record<string, unknown>>[]): Promise<readonly string[]> {
  await writeFile(join(folder, 'all.yaml'), toYaml(...objects));
  const { stdout } = await runCli(['lint', folder]);
  return stdout
    .replaceAll(folder, '')
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\S+:\d+:\d+: /, ''));
}

const alice = importedKey('alice', 'AKIDmessagealice0001', 'message-secret-alice-1');
const group = apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(1) });
const GRANT = 'Authorization shop/orders';

describe('of a reference', () => {
  test('to an environment or API that is not served, what is served, or what may be meant', async () => {
    const { spec, ...rest } = grant('orders', ['alice'], 'orders') as { spec: { targets: object[] } };
    const [target] = spec.targets;
    const targets = [
      { ...target, environment: 'testing' },
      { ...target, environment: 'releas' },
      { ...target, apis: ['nothing-like-it'] },
    ];
    expect(await lint(...alice, group, { ...rest, spec: { ...spec, targets } })).toEqual([
      `error EnvironmentNotFound: ${GRANT}: spec.targets[0].environment: ApiGroup orders serves no environment testing; there is release`,
      `error EnvironmentNotFound: ${GRANT}: spec.targets[1].environment: ApiGroup orders serves no environment releas; did you mean "release"?`,
      `error ApiNotFound: ${GRANT}: spec.targets[2].apis[0]: ApiGroup orders serves no API nothing-like-it, and the name covers nothing; there is all`,
      '3 objects, 3 errors, 0 warnings',
    ]);
  });

  test('to a Secret of another name, what may be meant', async () => {
    const [key = {}, secret = {}] = backendKey('orders-backend', 'AKmessagebackend1', 'message-backend-secret');
    const renamed = { ...secret, metadata: { name: 'orders-bakend', namespace: 'shop' } };
    expect((await lint(...alice, group, grant('orders', ['alice'], 'orders'), key, renamed))[0]).toBe(
      'error SecretNotFound: SignatureKey shop/orders-backend: spec.secretRef.name: Secret orders-backend does not exist in this namespace; did you mean "orders-bakend"?',
    );
  });

  test('to a key of another namespace, what its owner has to write, and nothing of whether there is such a key', async () => {
    const keys = { refs: ['closed', 'nowhere'].map((name) => ({ name, namespace: 'partner' })) };
    const closed = importedKey('closed', 'AKIDmessageclosed001', 'message-secret-closed').map((each) => ({
      ...each,
      metadata: { name: 'closed', namespace: 'partner' },
    }));
    const [first = '', second = ''] = await lint(...closed, group, grant('orders', [], 'orders', { keys }));
    expect(first).toBe(
      `error KeyNotFound: ${GRANT}: spec.keys.refs[0]: there is no SignatureKey partner/closed that admits this namespace; spec.allowedAuthorizers of a key says whom it admits`,
    );
    expect(second).toBe(first.replace('refs[0]', 'refs[1]').replace('closed', 'nowhere'));
  });

  test('to an object that is refused, where that is written', async () => {
    const wrong = { ...group, spec: { ...(group['spec'] as object), basePath: 'orders' } };
    expect(await lint(...alice, wrong, grant('orders', ['alice'], 'orders'))).toContainEqual(
      expect.stringMatching(
        /targets\[0\]\.apiGroup: ApiGroup orders is refused; its own errors say why \(\S*all\.yaml:\d+:\d+\)$/,
      ),
    );
  });
});

describe('of what is valid, and hardly meant', () => {
  test('a plan that limits nothing', async () => {
    const limited = { quotas: [{ name: 'daily', requests: 1, period: 'Day', scope: 'Key' }] };
    const plans = [usagePlan('empty', ['alice'], 'orders', {}), usagePlan('full', ['alice'], 'orders', limited)];
    expect((await lint(...alice, group, grant('orders', ['alice'], 'orders'), ...plans)).join('\n')).toMatch(
      /^warning NoLimit: UsagePlan shop\/empty: spec: has neither rateLimits nor quotas: it limits nothing$/m,
    );
  });

  test('a path with what other gateways take for a pattern', async () => {
    const paths: [string, string][] = [
      ['Template', '/items/{id}/*'],
      ['Exact', '/items/:id'],
      ['Prefix', '/files/*'],
      ['Template', '/{shop}/:item'],
      ['Exact', '/items/1:cancel'],
      ['Template', '/orders/{id}/lines'],
    ];
    const apis = paths.map(([type, value], i) => ({ name: `a${String(i)}`, match: { path: { type, value } } }));
    const orders = { ...group, spec: { ...(group['spec'] as object), apis } };
    const at = (i: number) => `warning LiteralPattern: ApiGroup shop/orders: spec.apis[${String(i)}].match.path.value:`;
    const any = 'type: Prefix admits whatever follows, and {name} in a Template any one segment';
    expect(await lint(...alice, orders, grant('orders', ['alice'], 'orders'))).toEqual([
      `${at(0)} takes * literally; ${any}`,
      `${at(1)} takes :id literally; write {id} and type: Template for any one segment`,
      `${at(2)} takes * literally; ${any}`,
      `${at(3)} takes :item literally; write {item} for any one segment`,
      '3 objects, 0 errors, 4 warnings',
    ]);
  });
});
