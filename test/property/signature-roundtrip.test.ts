/** Whatever a dialect signs for a backend it verifies itself, with the key alone that signed. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Redacted } from '../../src/lib/redacted.js';
import type { OutgoingRequest, WireRequest } from '../../src/signature/dialect.js';
import { DIALECTS } from '../../src/signature/dialects.js';
import { verifyRequest } from '../../src/signature/verify.js';
import { optionsFor } from '../vectors/labels.js';

const texts = (tokens: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...tokens), { maxLength }).map((parts) => parts.join(''));

/** Nothing that two of a vendor's clients sign alike: `%25`, in a path `;`, `+` and `%3F`. */
const path = texts(['a', 'B', '9', '-', '~', '/x', '%20', '%E4%B8%AD', ':', '@', ','], 12).map((text) => `/p${text}`);
const query = texts(['a', 'b', '=', '&', '+', '%20', '%2B', '%26', '%C3%A9', '.', '?', '/'], 20);
const headerValue = fc.string({ unit: fc.constantFrom('a', 'Z', '0', ' ', ',', ';', ':', '=', '"'), maxLength: 30 });

const outgoingRequest: fc.Arbitrary<OutgoingRequest & { readonly query: string }> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH'),
  target: path,
  query,
  host: fc.constantFrom('h', 'api.example.com', 'orders.internal:8080'),
  signHeaders: fc.uniqueArray(fc.tuple(fc.constantFrom('x-a', 'x-b_c', 'x-countersign-plan'), headerValue), {
    selector: ([name]) => name,
  }),
  contentType: fc.constantFrom(
    undefined,
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain; charset=x',
  ),
  accept: fc.constantFrom(undefined, '*/*'),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    query.map((form) => Buffer.from(form)),
  ),
});
const secret = fc.string({ minLength: 1, maxLength: 90, unit: 'binary' });

describe.each(DIALECTS.map((dialect) => [dialect.name, dialect] as const))('%s', (name, dialect) => {
  test('verifies what it signs, and not under another key', () => {
    fc.assert(
      fc.property(outgoingRequest, secret, fc.integer({ min: 1e12, max: 4e12 }), (draft, text, nowMs) => {
        const canonical = dialect.canonicalQuery(draft.query);
        const request = { ...draft, target: canonical === '' ? draft.target : `${draft.target}?${canonical}` };
        const key = { keyId: 'key-1', secret: new Redacted(text) };
        const headers = new Map<string, string>([
          ['host', request.host],
          ...(request.contentType === undefined ? [] : [['content-type', request.contentType] as const]),
          ...(request.accept === undefined ? [] : [['accept', request.accept] as const]),
          ...request.signHeaders,
          ...dialect.sign(request, key, { nowMs, nonce: 'nonce-1', requestId: 'r-1' }),
        ]);
        const wire: WireRequest = {
          method: request.method,
          target: request.target,
          headers: [...headers],
          body: request.body,
        };
        const verify = (secretText: string) =>
          verifyRequest(
            wire,
            optionsFor(name),
            {},
            () => ({ keyId: 'key-1', secrets: [{ secret: new Redacted(secretText) }] }),
            nowMs,
          );
        expect(verify(text)).toMatchObject({ ok: true, keyId: 'key-1' });
        expect(verify(`${text}x`)).toMatchObject({ ok: false, reason: 'bad_signature' });
      }),
      { numRuns: 1_500 },
    );
  });
});
