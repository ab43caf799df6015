/** Nothing that was not signed by a granted key is ever allowed, whatever else a request holds. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CheckRequest } from '../../src/authz/request.js';
import { decodeCheckRequest, encodeDecision } from '../../src/authz/transport/messages.js';
import { createGate, NOW_MS } from '../support/authz/authz-check.js';
import { EVERYTHING, fixture, signedBy } from '../support/authz/authz-fixture.js';
import { buildRequest } from '../support/authz/authz-request.js';

/** Without `Allow` for dates and with all dialects on: the widest door that is still a door. */
const gate = createGate(
  fixture({
    apis: [
      EVERYTHING,
      { name: 'admin', path: { type: 'Prefix', value: '/admin' } },
      { name: 'item', path: { type: 'Template', value: '/items/{id}' } },
    ],
  }),
);

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});
const headerName = fc.oneof(
  fc.constantFrom(
    'authorization',
    'x-sdk-date',
    'x-jdcloud-date',
    'x-date',
    'date',
    'host',
    'content-length',
    'upgrade',
    'x-stage',
    'proxy-authorization',
    '__proto__',
  ),
  fc.string({ maxLength: 20 }),
);
const scheme = fc.constantFrom(
  '',
  'SDK-HMAC-SHA256 ',
  'JDCLOUD2-HMAC-SHA256 ',
  'JDCLOUD3-HMAC-SHA256 ',
  'hmac ',
  'hmac id="AKok", ',
  'SDK-HMAC-SHA256 Access=AKok, SignedHeaders=',
);
const garbage: fc.Arbitrary<CheckRequest> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'TRACE', 'OPTIONS', '', 'get'),
  target: fc.oneof(
    latin1,
    latin1.map((text) => `/orders/release/${text}`),
  ),
  headers: fc.array(
    fc.oneof(
      fc.tuple(headerName, latin1),
      fc.tuple(
        fc.constant('authorization'),
        fc.tuple(scheme, latin1).map((parts) => parts.join('')),
      ),
    ),
    { maxLength: 8 },
  ),
  body: fc.uint8Array({ maxLength: 20 }),
  authority: latin1,
  protocol: fc.constantFrom('HTTP/1.1', 'HTTP/2', ''),
  sourceAddress: fc.oneof(fc.ipV4(), fc.ipV6(), latin1),
  route: fc.oneof(fc.constant('orders-release'), fc.constant('unknown-environment:team/orders'), latin1),
  partialBody: fc.boolean(),
  rawHeaders: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  requestId: latin1,
  streamToken: latin1,
});

describe('garbage', () => {
  test('is never allowed, never an exception, and always a denial on the wire', async () => {
    await fc.assert(
      fc.asyncProperty(garbage, async (request) => {
        const decision = await gate.check(request);
        expect(decision.outcome).toBe('deny');
        expect(decision.outcome === 'deny' && decision.reason).not.toBe('internal_error');
        expect([...encodeDecision(decision, { method: 'GET', target: '/', authority: 'h' }).subarray(0, 3)]).toEqual([
          0x0a, 2, 0x08,
        ]);
        expect(encodeDecision(decision, { method: 'GET', target: '/', authority: 'h' })[3]).not.toBe(0);
        expect(['', 'AKok']).toContain(decision.facts.keyId);
      }),
      { numRuns: 5000 },
    );
    expect(gate.errors).toEqual([]);
    expect(gate.admissions).toEqual([]);
  });
  test('as a message is never allowed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        let request: CheckRequest;
        try {
          request = decodeCheckRequest(Buffer.from(bytes));
        } catch {
          return;
        }
        expect((await gate.check(request)).outcome).toBe('deny');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a good request with one thing changed', () => {
  test.each(['Huawei', 'JDCloud'] as const)(
    '%s: any changed character of path, query, method, host, body or credential refuses',
    async (dialect) => {
      const good = buildRequest(
        {
          method: 'POST',
          target: '/orders/release/x/yz?a=b&c=d',
          body: 'body',
          sign: signedBy(dialect),
          headers: [['content-type', 'text/plain']],
        },
        NOW_MS,
      );
      const changed = (text: string, at: number): string => {
        const i = at % text.length;
        return text.slice(0, i) + (text[i] === 'q' ? 'p' : 'q') + text.slice(i + 1);
      };
      // JD Cloud leaves the host unsigned towards backends, and this signer is the one for backends.
      const parts =
        dialect === 'Huawei'
          ? (['target', 'method', 'body', 'host', 'authorization'] as const)
          : (['target', 'method', 'body', 'authorization'] as const);
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...parts), fc.nat(), async (part, at) => {
          let request = good;
          if (part === 'target' || part === 'method') request = { ...good, [part]: changed(good[part], at) };
          else if (part === 'body') request = { ...good, body: Buffer.from(changed('body', at)) };
          else
            request = {
              ...good,
              headers: good.headers.map(([name, value]) => [name, name === part ? changed(value, at) : value]),
            };
          expect((await gate.check({ ...request, streamToken: String(at) })).outcome).toBe('deny');
        }),
        { numRuns: 2000 },
      );
      expect((await gate.check(good)).outcome).toBe('allow');
    },
  );
});
