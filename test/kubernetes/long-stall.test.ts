import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries } from '../support/kubernetes/kube-api-server.js';
import type { OperatorPlane } from '../support/kubernetes/operator-plane.js';
import { askAll, shopKey, startShop } from '../support/kubernetes/shop.js';

const binaries = findKubeBinaries();
/** Longer than any timeout of watches, Lease and requests. */
const STALL_MS = 120_000;

if (typeof binaries === 'string') {
  describe.skip(`a long stall of the API server: not run, ${binaries}`, () => test('stall', () => undefined));
} else {
  describe('an API server that is silent for 120 s on connections that stay open', () => {
    let operator: OperatorPlane;

    beforeAll(async () => {
      operator = await startShop({ binaries, callers: ['caller', 'other'] });
    }, 180_000);
    afterAll(() => operator?.close(), 60_000);

    const statuses = (key = 'caller') => askAll(operator.data.httpPort, key, '/orders/v1');

    test('what was served is served on, and what was revoked meanwhile is refused within seconds of its end', async () => {
      operator.proxy.stall();
      await operator.apply(shopKey('caller', { state: 'Disabled' })[0]!);
      const endsMs = performance.now() + STALL_MS;
      while (performance.now() < endsMs) {
        expect(await statuses()).toEqual([200]);
        await delay(5_000);
      }
      operator.proxy.resume();
      await eventually(async () => expect(await statuses()).toEqual([401]), { withinMs: 15_000, everyMs: 20 });
      expect(await statuses('other')).toEqual([200]);
    }, 180_000);
  });
}
