import { describe, expect, test } from '@jest/globals';
import type { Condition } from '../../../../src/api/conditions.js';
import type { ApiGroup } from '../../../../src/api/types.js';
import { authoritySecretNames, MAX_AUTHORITY_SECRETS } from '../../../../src/provider/kubernetes/authority-secrets.js';
import { createReadinessEvents } from '../../../../src/provider/kubernetes/write/event-recorder.js';
import { KubeApiError } from '../../../../src/provider/kubernetes/kube-api.js';
import { CLUSTER_RULES, NAMESPACE_RULES, ownNamespaceRules } from '../../../../src/provider/kubernetes/rbac.js';
import { createWriteQueue } from '../../../../src/provider/kubernetes/write/write-queue.js';
import { eventually } from '../../../support/eventually.js';

describe('news of readiness', () => {
  const ready = (status: Condition['status'], reason: Condition['reason'], message = ''): Condition[] => [
    { type: 'Ready', status, reason, message, lastTransitionTime: '' },
  ];
  const pending = ready('Unknown', 'Pending');
  const propagating = ready('False', 'Propagating', '0/1');
  const isReady = ready('True', 'Ready');
  const failing = ready('False', 'SecretNotFound', 'no Secret');
  const story = (...states: readonly Condition[][]) => {
    const tell = createReadinessEvents();
    const object = { kind: 'SignatureKey', namespace: 'a', name: 'b' };
    return states.slice(1).map((after, i) => {
      const event = tell({ object, uid: 'u', before: states[i] ?? [], after });
      return event && `${event.type} ${event.reason}`;
    });
  };

  test('the first time Ready is told, also after propagating', () => {
    expect(story(pending, propagating, isReady)).toEqual([undefined, 'Normal Ready']);
  });
  test('an edit that propagates is not', () => {
    expect(story(isReady, propagating, isReady)).toEqual([undefined, undefined]);
  });
  test('a failure is told once, and its end', () => {
    expect(story(isReady, failing, failing, isReady)).toEqual(['Warning SecretNotFound', undefined, 'Normal Ready']);
  });
  test('a failure in front of propagation does not hide the end', () => {
    expect(story(failing, propagating, isReady)).toEqual([undefined, 'Normal Ready']);
  });
});

describe('CA Secrets', () => {
  test('beyond the bound of a namespace are a problem of the group that names them', () => {
    const group = (name: string, secrets: readonly string[]) =>
      ({
        kind: 'ApiGroup',
        metadata: { namespace: 'shop', name },
        spec: {
          environments: [],
          apis: secrets.map((secret) => ({ backend: { tls: { caSecretRef: { name: secret } } } })),
        },
      }) as unknown as ApiGroup;
    const many = Array.from({ length: MAX_AUTHORITY_SECRETS }, (_, i) => `ca-${String(i).padStart(3, '0')}`);
    const groups = new Map([
      ['shop/many', group('many', many)],
      ['shop/more', group('more', ['ca-000', 'zz'])],
    ]);
    const { names, problems } = authoritySecretNames(groups);
    expect(names.size).toBe(MAX_AUTHORITY_SECRETS);
    expect(names.has('shop/zz')).toBe(false);
    expect(problems).toMatchObject([{ object: { name: 'more' }, reason: 'SecretNotFound' }]);
  });
});

describe('the rights of the operator', () => {
  const rules = [...CLUSTER_RULES, ...NAMESPACE_RULES, ...ownNamespaceRules('lease')];
  test('hold no wildcard and no verb that deletes, escalates or impersonates', () => {
    const allowed = ['get', 'list', 'watch', 'create', 'update', 'patch'];
    for (const { apiGroups, resources, verbs } of rules) {
      expect([...apiGroups, ...resources].join()).not.toContain('*');
      for (const verb of verbs) expect(allowed).toContain(verb);
    }
  });
  test('write only Secrets, status, Events and the Lease', () => {
    const written = rules.filter(({ verbs }) => verbs.some((verb) => !['get', 'list', 'watch'].includes(verb)));
    const resources = new Set(written.flatMap((rule) => rule.resources));
    for (const resource of resources) expect(resource).toMatch(/^(secrets|events|leases|\w+\/status)$/);
  });
});

describe('the write queue', () => {
  test('writes a key once at a time, and again when it changed meanwhile', async () => {
    let active = 0;
    let most = 0;
    let writes = 0;
    const queue = createWriteQueue({
      write: async () => {
        active += 1;
        most = Math.max(most, active);
        writes += 1;
        await new Promise((done) => setImmediate(done));
        active -= 1;
      },
      onError: () => undefined,
    });
    for (let i = 0; i < 5; i += 1) queue.add('a');
    await eventually(() => expect(queue.size).toBe(0));
    expect([most, writes]).toEqual([1, 2]);
  });

  test('keeps its rate, and lets urgent keys go first', async () => {
    const order: string[] = [];
    const queue = createWriteQueue({
      write: async (key) => void order.push(key),
      onError: () => undefined,
      perSecond: 100,
      concurrency: 1,
    });
    const startedMs = performance.now();
    for (let i = 0; i < 20; i += 1) queue.add(`slow-${String(i)}`);
    queue.add('edit', true);
    await eventually(() => expect(order).toHaveLength(21));
    expect(performance.now() - startedMs).toBeGreaterThan(150);
    expect(order.indexOf('edit')).toBeLessThan(5);
  });

  test('tries a failed write again, later each time, and waits as long as the server asks', async () => {
    const atMs: number[] = [];
    const queue = createWriteQueue({
      write: async () => {
        atMs.push(performance.now());
        if (atMs.length === 1) throw new KubeApiError('busy', { status: 429, retryAfterMs: 120 });
        if (atMs.length === 2) throw new Error('broken');
      },
      onError: () => undefined,
      initialRetryMs: 10,
    });
    queue.add('a');
    await eventually(() => expect(atMs).toHaveLength(3));
    await eventually(() => expect(queue.size).toBe(0));
    expect(atMs[1]! - atMs[0]!).toBeGreaterThanOrEqual(119);
    await queue.close();
  });
});
