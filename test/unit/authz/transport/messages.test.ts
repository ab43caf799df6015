/** The hand-written codec against generated code: the same bytes mean the same on both sides. */
import { describe, expect, test } from '@jest/globals';
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import type { Decision, DecisionFacts } from '../../../../src/authz/decision.js';
import { decodeCheckRequest, encodeDecision } from '../../../../src/authz/transport/messages.js';
import type {
  AttributeContext_HttpRequestSchema,
  AttributeContextSchema,
} from '../../../../src/gen/envoy/service/auth/v3/attribute_context_pb.js';
import { HeaderValueOption_HeaderAppendAction } from '../../../../src/gen/envoy/config/core/v3/base_pb.js';
import { CheckRequestSchema, CheckResponseSchema } from '../../../../src/gen/envoy/service/auth/v3/external_auth_pb.js';
import { REASONS, type DenyReason } from '../../../../src/lib/reason.js';

type Attributes = Omit<MessageInitShape<typeof AttributeContextSchema>, '$typeName'>;
type Http = MessageInitShape<typeof AttributeContext_HttpRequestSchema>;

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const headerMap = (...headers: [string, string][]) => ({
  headers: headers.map(([key, value]) => ({ key, rawValue: bytesOf(value) })),
});
const encoded = (http: Http, attributes: Attributes = {}): Buffer =>
  Buffer.from(
    toBinary(
      CheckRequestSchema,
      create(CheckRequestSchema, {
        attributes: {
          source: {
            address: {
              address: {
                case: 'socketAddress',
                value: { address: '192.0.2.7', portSpecifier: { case: 'portValue', value: 4711 } },
              },
            },
          },
          destination: { address: { address: { case: 'socketAddress', value: { address: '10.0.0.1' } } } },
          contextExtensions: { route: 'r1', node: 'envoy-7', other: 'x' },
          request: { time: { seconds: 1_748_000_000n, nanos: 5 }, http },
          metadataContext: { filterMetadata: { a: { b: 'c' } } },
          ...attributes,
        },
      }),
    ),
  );
const decode = (http: Http, attributes: Attributes = {}) => decodeCheckRequest(encoded(http, attributes));

const SENT_ALWAYS: [string, string][] = [
  [':path', '/'],
  [':method', 'GET'],
  [':authority', 'a'],
];
const from = (forwardedFor: string) => headerMap(...SENT_ALWAYS, ['x-forwarded-for', forwardedFor]);
const withHeader = (header: [string, string]) => headerMap(...SENT_ALWAYS, ['x-forwarded-for', '192.0.2.7'], header);
const local = {
  source: { address: { address: { case: 'socketAddress', value: { address: '127.0.0.1' } } } },
} as const;

describe('a Check', () => {
  const http: Http = {
    id: '8271',
    method: 'POST',
    path: '/orders/%7e?q=1&q=2',
    host: 'Api.Example.com:8443',
    scheme: 'https',
    protocol: 'HTTP/2',
    size: 4n,
    headers: { ignored: 'joined' },
    headerMap: headerMap(
      [':authority', 'Api.Example.com:8443'],
      [':path', '/orders/%7e?q=1&q=2'],
      [':method', 'POST'],
      ['x-forwarded-for', '192.0.2.7'],
      ['x-request-id', 'req-1'],
      ['accept', 'a'],
      ['accept', ''],
      ['x-bytes', 'caf\u00e9 \u00ff'],
    ),
    rawBody: new Uint8Array([0, 255, 1, 2]),
  };

  test('is read as it came: order, repeats, empty values and bytes of headers are kept', () => {
    const request = decode(http);
    expect({ ...request, body: [...request.body!] }).toEqual({
      method: 'POST',
      target: '/orders/%7e?q=1&q=2',
      headers: [
        ['host', 'Api.Example.com:8443'],
        ['x-forwarded-for', '192.0.2.7'],
        ['x-request-id', 'req-1'],
        ['accept', 'a'],
        ['accept', ''],
        ['x-bytes', 'caf\u00e9 \u00ff'],
      ],
      body: [0, 255, 1, 2],
      authority: 'Api.Example.com:8443',
      protocol: 'HTTP/2',
      sourceAddress: '192.0.2.7',
      route: 'r1',
      partialBody: false,
      rawHeaders: true,
      requestId: 'req-1',
      streamToken: 'envoy-7/8271',
    });
  });
  test('without raw headers, or with a body as text, says so', () => {
    const { headerMap: _, ...joined } = http;
    expect(decode(joined).rawHeaders).toBe(false);
    expect(decode({ ...http, body: 'text' }).rawHeaders).toBe(false);
  });
  test('a Host line that differs from :authority stays a second host', () => {
    const hosts = (host: string) =>
      decode({ ...http, headerMap: headerMap([':authority', 'a'], ['host', host]) }).headers;
    expect(hosts('a')).toEqual([['host', 'a']]);
    expect(hosts('b')).toEqual([
      ['host', 'a'],
      ['host', 'b'],
    ]);
  });
  test.each([
    ['true', 4n, true],
    ['TRUE', 4n, true],
    ['', 4n, true],
    ['false', 4n, false],
    ['false', 5n, true],
    ['false', -1n, false],
    ['false', 0n, false],
  ])('partial-body header %j and size %s: partial is %s', (value, size, partial) => {
    expect(decode({ ...http, size, headerMap: headerMap(['x-envoy-auth-partial-body', value]) }).partialBody).toBe(
      partial,
    );
  });
  interface Sent {
    readonly headerMap?: ReturnType<typeof headerMap> | undefined;
    readonly body?: string;
    readonly rawBody?: Uint8Array<ArrayBuffer>;
  }
  const faults: readonly { what: string; sent?: Sent; attributes?: Attributes; fault: RegExp }[] = [
    { what: 'headers as a map only', sent: { headerMap: undefined }, fault: /encode_raw_headers/ },
    { what: 'a body as text', sent: { body: 'text', rawBody: new Uint8Array() }, fault: /pack_as_bytes/ },
    { what: 'no context of ours', attributes: { contextExtensions: { other: 'x' } }, fault: /context_extensions/ },
    { what: 'no :path', sent: { headerMap: headerMap(...SENT_ALWAYS.slice(1)) }, fault: /:path .*allowed_headers/ },
    {
      what: 'a header that the edge removes',
      sent: { headerMap: withHeader(['x-envoy-retry-on', '5xx']) },
      fault: /x-envoy-retry-on/,
    },
    {
      what: 'a caller that is one of its own',
      sent: { headerMap: withHeader(['x-envoy-internal', 'true']) },
      fault: /x-envoy-internal/,
    },
    { what: 'no X-Forwarded-For', sent: { headerMap: headerMap(...SENT_ALWAYS) }, fault: /use_remote_address/ },
    {
      what: "only the caller's X-Forwarded-For",
      sent: { headerMap: from('198.51.100.1') },
      fault: /use_remote_address/,
    },
  ];
  test.each(faults)('shows with $what that Envoy is not configured as it must be', ({ sent, attributes, fault }) => {
    expect(decode({ ...http, ...sent }, attributes).gatewayFault).toMatch(fault);
  });
  test('of a caller behind proxies, of one on the same machine and over a socket shows no fault', () => {
    expect(decode(http).gatewayFault).toBeUndefined();
    expect(decode({ ...http, headerMap: from('198.51.100.1, 192.0.2.7') }).gatewayFault).toBeUndefined();
    expect(decode({ ...http, headerMap: from('10.0.0.9') }, local).gatewayFault).toBeUndefined();
  });
  test('without context, source and request is still a request that gets refused', () => {
    expect(decodeCheckRequest(Buffer.alloc(0))).toMatchObject({ route: '', rawHeaders: false, sourceAddress: '' });
    expect(decode({}, { contextExtensions: {} }).route).toBe('');
  });
  test('the node of the call stands in where the context names none', () => {
    expect(decodeCheckRequest(encoded({ id: '1' }, { contextExtensions: {} }), 'pod-1').streamToken).toBe('pod-1/1');
  });
  test('bytes that are no message throw, or are read as generated code reads them', () => {
    const whole = encoded(http);
    for (let length = 0; length < whole.length; length++) {
      let known = true;
      try {
        fromBinary(CheckRequestSchema, whole.subarray(0, length));
      } catch {
        known = false;
      }
      if (known) expect(() => decodeCheckRequest(whole.subarray(0, length))).not.toThrow();
      else expect(() => decodeCheckRequest(whole.subarray(0, length))).toThrow(RangeError);
    }
  });
  test('random bytes throw RangeError or are read, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeCheckRequest(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

const wellFormed = (text: string): string => Buffer.from(text).toString();
const SENT = { method: 'GET', target: '/orders/v1?token=1', authority: 'api.example.com' };
const FACTS: DecisionFacts = { api: 'team/orders/a', environment: 'release', keyId: 'AK', planId: 'p', profile: 'doc' };
const read = (decision: Decision) => fromBinary(CheckResponseSchema, encodeDecision(decision, SENT));
const headersOf = (options: readonly { header?: { key: string; value: string } | undefined }[]) =>
  options.map(({ header }) => [header!.key, header!.value]);

describe('the answer', () => {
  test('to an allowed request carries headers in order, overwriting on both sides', () => {
    const answer = read({
      outcome: 'allow',
      setHeaders: [
        [':path', '/x?y=1'],
        ['authorization', 'a'.repeat(5000)],
        ['x-empty', ''],
      ],
      removeHeaders: ['x-a', 'x-b'],
      responseHeaders: [
        ['x-request-id', '1'],
        ['x-ratelimit-limit', '5'],
      ],
      facts: FACTS,
    });
    expect(answer.status?.code).toBe(0);
    if (answer.httpResponse.case !== 'okResponse') throw new Error('not ok');
    const ok = answer.httpResponse.value;
    expect(headersOf(ok.headers)).toEqual([
      [':path', '/x?y=1'],
      ['authorization', 'a'.repeat(5000)],
      ['x-empty', ''],
    ]);
    expect(ok.headers.map(({ append }) => append)).toEqual([false, false, false]);
    expect(ok.headersToRemove).toEqual(['x-a', 'x-b']);
    expect(headersOf(ok.responseHeadersToAdd)).toEqual([
      ['x-request-id', '1'],
      ['x-ratelimit-limit', '5'],
    ]);
    expect(ok.responseHeadersToAdd.map(({ append, appendAction }) => [append, appendAction])).toEqual(
      Array(2).fill([undefined, HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD]),
    );
    expect(answer.dynamicMetadata).toEqual({
      decision: 'allow',
      reason: 'ok',
      api: 'team/orders/a',
      environment: 'release',
      key_id: 'AK',
      plan: 'p',
      profile: 'doc',
      path: '/orders/v1',
    });
  });

  const denial = (reason: DenyReason, status: number): Decision => ({
    outcome: 'deny',
    reason,
    status,
    headers: [['content-type', 'application/json']],
    body: '{"caf\u00e9":1}',
    facts: FACTS,
  });
  test.each(Object.keys(REASONS) as DenyReason[])('to %s has a code other than 0 and an error status', (reason) => {
    const answer = read(denial(reason, REASONS[reason].status));
    const expected = reason === 'internal_error' ? 14 : REASONS[reason].status === 401 ? 16 : 7;
    expect(answer.status?.code).toBe(expected);
    if (answer.httpResponse.case !== 'deniedResponse') throw new Error('not denied');
    expect(answer.httpResponse.value.status?.code).toBe(REASONS[reason].status);
    expect(answer.httpResponse.value.body).toBe('{"caf\u00e9":1}');
    expect(headersOf(answer.httpResponse.value.headers)).toEqual([['content-type', 'application/json']]);
    expect(answer.dynamicMetadata).toMatchObject({ decision: 'deny', reason });
  });
  test.each([0, 200, 302, 600, NaN, -1, 401.5])('a denial with status %s is sent as 503', (status) => {
    const answer = read(denial('not_found', status));
    expect(answer.httpResponse.value).toMatchObject({ status: { code: 503 } });
    expect(answer.status?.code).toBe(7);
  });
  test('tells the log what the client sent of what it changes, without the query', () => {
    const changed = [
      [':path', '/internal'],
      [':method', 'PUT'],
      ['host', 'backend'],
    ] as const;
    const answer = read({
      outcome: 'allow',
      setHeaders: changed,
      removeHeaders: [],
      responseHeaders: [],
      facts: FACTS,
    });
    expect(answer.dynamicMetadata).toMatchObject({ path: '/orders/v1', method: 'GET', authority: 'api.example.com' });
    const same = read({ outcome: 'allow', setHeaders: [], removeHeaders: [], responseHeaders: [], facts: FACTS });
    expect(Object.keys(same.dynamicMetadata ?? {})).not.toContain('path');
  });
  test('is written out even where it is 0, so that no reader supplies the default', () => {
    const bytes = encodeDecision(
      {
        outcome: 'allow',
        setHeaders: [],
        removeHeaders: [],
        responseHeaders: [],
        facts: FACTS,
      },
      SENT,
    );
    expect([...bytes.subarray(0, 4)]).toEqual([0x0a, 2, 0x08, 0]);
  });
  test('any text survives, unpaired surrogates as U+FFFD', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary', maxLength: 3000 })), {
          maxLength: 30,
        }),
        (headers) => {
          const answer = read({
            outcome: 'allow',
            setHeaders: headers,
            removeHeaders: [],
            responseHeaders: [],
            facts: FACTS,
          });
          expect(answer.httpResponse.case === 'okResponse' && headersOf(answer.httpResponse.value.headers)).toEqual(
            headers.map(([name, value]) => [wellFormed(name), wellFormed(value)]),
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});
