// Single requests and what must come of each, as data. State is not changed, but limits are used up.
import { DIALECTS } from './sign.mjs';

const MAIN = '/conformance';
const LIST = `${MAIN}/v1/items`;
/** Where each dialect is accepted. */
const GROUP_OF = { JDCloud: MAIN, Huawei: MAIN, Tencent: MAIN, TencentApplication: '/conformance-application' };
const KEY_OF = { JDCloud: 'jdcloud', Huawei: 'huawei', Tencent: 'tencent', TencentApplication: 'application' };
const MINUTE_MS = 60_000;

const replaceInUrl = (from, to) => (request) => ({ ...request, url: request.url.replace(from, to) });
const withHeader = (name, value) => (request) => ({ ...request, headers: { ...request.headers, [name]: value } });

/**
 * One case: a request and what must come of it.
 * - `dialect`, `key` (a name, or a name and another secret), `method`, `path`, `query`, `body`: signed by a signer of
 *   that dialect; without `dialect` the request is sent unsigned, with `headers`. `host` is the one signed for.
 * - `alter`: what is changed after signing. `repeat`: the same bytes are sent before, each with that status.
 * - `status`, `code` (of the Uniform shape), `json` (part of the body), `headers` (text, RegExp, or null = absent).
 * - `seen`: part of what the backend must have got; `signedBy`: the backend key that must have signed it.
 */
export function requestCases({ hostname }) {
  const cases = [];
  const add = (...more) => cases.push(...more);

  for (const dialect of DIALECTS) {
    const [group, key] = [GROUP_OF[dialect], KEY_OF[dialect]];
    const base = { dialect, key, path: `${group}/v1/items` };
    const posted = { ...base, method: 'POST', body: { sku: 'A-1', quantity: 2 } };
    const refused = group === MAIN ? { status: 401, code: 'Unauthorized' } : { status: 401 };
    add(
      {
        ...base,
        name: `${dialect}: a signed request reaches the backend with the caller's name`,
        query: { page: '1', sort: 'a b' },
        status: 200,
        seen: { method: 'GET', path: '/v1/items', keyOf: key, environment: 'release', authorization: undefined },
      },
      {
        ...posted,
        name: `${dialect}: a signed body reaches the backend unchanged`,
        status: 200,
        seen: { method: 'POST', path: '/v1/items', body: JSON.stringify(posted.body) },
      },
      {
        ...base,
        name: `${dialect}: the environment in the path`,
        path: dialect === 'TencentApplication' ? base.path : `${group}/release/v1/items`,
        // This scheme signs the path without the environment.
        ...(dialect === 'TencentApplication' ? { alter: replaceInUrl('/v1/', '/release/v1/') } : {}),
        status: 200,
        seen: { path: '/v1/items', environment: 'release' },
      },
      {
        ...base,
        name: `${dialect}: a wrong secret`,
        key: { name: key, secret: 'not-the-secret-of-this-key' },
        ...refused,
      },
      {
        ...base,
        name: `${dialect}: an unknown key`,
        key: { keyId: 'CFNOBODY0000000001', secret: 'not-the-secret-of-this-key' },
        ...refused,
      },
      { ...base, name: `${dialect}: signed 16 minutes ago`, clockOffsetMs: -16 * MINUTE_MS, ...refused },
      { ...base, name: `${dialect}: signed 16 minutes ahead`, clockOffsetMs: 16 * MINUTE_MS, ...refused },
      { ...base, name: `${dialect}: signed 14 minutes ago`, clockOffsetMs: -14 * MINUTE_MS, status: 200 },
    );
    // Tencent's key pair covers neither query nor body.
    if (dialect !== 'Tencent')
      add(
        {
          ...base,
          name: `${dialect}: a query changed after signing`,
          query: { page: '1' },
          alter: replaceInUrl('page=1', 'page=2'),
          ...refused,
        },
        {
          ...base,
          name: `${dialect}: a query added after signing`,
          alter: (r) => ({ ...r, url: `${r.url}?admin=1` }),
          ...refused,
        },
        {
          ...posted,
          name: `${dialect}: a body changed after signing`,
          alter: (r) => ({ ...r, body: r.body.replace('2', '3') }),
          ...refused,
        },
        {
          ...base,
          name: `${dialect}: a path changed after signing`,
          alter: replaceInUrl('/items', '/items/7'),
          ...refused,
        },
      );
    add(
      dialect === 'JDCloud'
        ? { ...base, name: 'JDCloud: the same request again, its nonce used', repeat: [200], ...refused }
        : {
            ...base,
            name: `${dialect}: the same request again, as the scheme has no nonce`,
            repeat: [200],
            status: 200,
          },
    );
  }

  const huawei = { dialect: 'Huawei', key: 'huawei' };
  const refusal = (name, status, code, request) => ({ ...huawei, name, status, code, ...request });
  add(
    refusal('no credential', 401, 'Unauthorized', {
      dialect: undefined,
      path: LIST,
      headersOfAnswer: { 'www-authenticate': /./ },
    }),
    refusal('a credential of an unknown scheme', 401, 'Unauthorized', {
      dialect: undefined,
      path: LIST,
      headers: { Authorization: 'Bearer abc' },
    }),
    refusal('a credential that does not parse', 401, 'Unauthorized', {
      dialect: undefined,
      path: LIST,
      headers: { Authorization: 'SDK-HMAC-SHA256 Access=x' },
    }),
    refusal('a second credential', 401, 'Unauthorized', {
      path: LIST,
      alter: withHeader('Proxy-Authorization', 'Basic eDp5'),
    }),
    refusal('a disabled key', 401, 'Unauthorized', { key: 'disabled', path: LIST }),
    refusal('an expired key', 401, 'Unauthorized', { key: 'expired', path: LIST }),
    refusal('a key that is not valid yet', 401, 'Unauthorized', { key: 'early', path: LIST }),
    refusal('a key whose Secret is missing', 401, 'Unauthorized', { key: 'late', path: LIST }),
    refusal('a key without authorization', 403, 'Forbidden', { key: 'stranger', path: LIST }),
    refusal('a key that does not admit the provider', 401, 'Unauthorized', { key: 'unwilling', path: LIST }),
    refusal('an environment without authorization', 403, 'Forbidden', {
      path: LIST,
      alter: withHeader('X-Stage', 'TEST'),
    }),
    refusal('an address outside sourceRanges', 403, 'Forbidden', { path: `${MAIN}/v1/internal` }),
    refusal('an unknown environment', 404, 'NotFound', { path: LIST, alter: withHeader('X-Stage', 'NONE') }),
    refusal('an offline environment', 404, 'NotFound', { path: `${MAIN}/old/v1/items` }),
    refusal('a path without an API', 404, 'NotFound', { path: `${MAIN}/v1/other` }),
    refusal('a trailing slash that the API does not have', 404, 'NotFound', { path: `${LIST}/` }),
    refusal('a host that nobody claims', 404, 'NotFound', { host: 'unclaimed.example.org', path: LIST }),
    refusal('a method that the API does not have', 405, 'MethodNotAllowed', { method: 'DELETE', path: LIST }),
    refusal('an encoded slash', 400, 'BadRequest', { dialect: undefined, path: `${LIST}/a%2Fb` }),
    refusal('dot segments', 400, 'BadRequest', { dialect: undefined, path: `${MAIN}/v1/x/../items` }),
    refusal('encoded dot segments', 400, 'BadRequest', { dialect: undefined, path: `${MAIN}/v1/%2e%2e/items` }),
    refusal('dot segments encoded twice', 400, 'BadRequest', {
      dialect: undefined,
      path: `${MAIN}/v1/%252e%252e/items`,
    }),
    refusal('an empty segment', 400, 'BadRequest', { dialect: undefined, path: `${MAIN}//v1/items` }),
    refusal('a path that decodes to another API', 400, 'BadRequest', {
      path: LIST,
      alter: replaceInUrl('/items', '/items/speci%61l'),
    }),
    refusal('a header that poses as ours', 400, 'BadRequest', {
      path: LIST,
      alter: withHeader('X_Countersign_Key_Id', 'root'),
    }),
    refusal('a body over maxBodySize', 413, 'PayloadTooLarge', {
      method: 'POST',
      path: LIST,
      body: { text: 'x'.repeat(3000) },
    }),
    refusal('a backend key that is missing: refused, not forwarded unsigned', 503, 'Unavailable', {
      path: `${MAIN}/v1/half`,
    }),
    refusal('a plan that is invalid: refused, not unlimited', 503, 'Unavailable', { key: 'account', path: LIST }),
    refusal('a plan that is required and missing', 403, 'Forbidden', {
      key: 'stranger',
      path: '/conformance-planned/x',
    }),
    {
      ...huawei,
      name: 'a plan that is the permission',
      path: '/conformance-planned/x',
      status: 200,
      headersOfAnswer: { 'x-usageplan-id': /^usagePlan-/, 'x-secret-id': { keyOf: 'huawei' } },
    },
    {
      name: 'an API without authentication',
      path: `${MAIN}/open`,
      headers: { 'x-countersign-key-id': 'root', 'x-countersign-plan': 'gold' },
      status: 200,
      seen: { path: '/open', keyOf: undefined, 'x-countersign-plan': undefined },
    },
    {
      ...huawei,
      name: 'identity headers that a caller made up are overwritten',
      path: LIST,
      alter: withHeader('x-countersign-key-id', 'root'),
      status: 200,
      seen: { keyOf: 'huawei', api: 'conformance-provider/main/list' },
    },
    {
      ...huawei,
      name: 'a rewritten path',
      path: `${MAIN}/v2/items/42`,
      query: { a: '1' },
      status: 200,
      seen: { path: '/internal/42/view', query: 'a=1' },
    },
    {
      ...huawei,
      name: 'the gateway signs to the backend, without a body',
      path: `${MAIN}/v1/signed`,
      query: { b: '2', a: '1 2' },
      status: 200,
      signedBy: { keyId: 'conformance-backend', secret: 'conformance-backend-secret-1' },
    },
    {
      dialect: 'JDCloud',
      key: 'jdcloud',
      name: 'the gateway signs to the backend, with a body',
      method: 'POST',
      path: `${MAIN}/v1/signed`,
      body: { sku: 'A-1' },
      status: 200,
      seen: { keyOf: 'jdcloud' },
      signedBy: { keyId: 'conformance-backend', secret: 'conformance-backend-secret-1' },
    },
    {
      ...huawei,
      name: 'the gateway authenticates to the backend with Basic',
      path: `${MAIN}/v1/basic`,
      status: 200,
      seen: {
        authorization: `Basic ${Buffer.from('conformance-user:conformance-basic-password').toString('base64')}`,
      },
    },
    {
      ...huawei,
      name: 'an Authorization header of the backend stays behind',
      path: LIST,
      status: 200,
      headersOfAnswer: { authorization: null, 'x-request-id': /^[0-9a-f-]{36}$/ },
    },
    {
      name: 'a CORS preflight',
      method: 'OPTIONS',
      path: '/conformance-vendor/v1/items',
      headers: {
        Origin: 'https://app.example.com',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization',
      },
      status: 200,
      headersOfAnswer: {
        'access-control-allow-origin': 'https://app.example.com',
        'access-control-allow-methods': /POST/,
        'access-control-max-age': '600',
      },
    },
    {
      name: 'a CORS preflight from another origin',
      method: 'OPTIONS',
      path: '/conformance-vendor/v1/items',
      headers: { Origin: 'https://evil.example.com', 'Access-Control-Request-Method': 'POST' },
      status: 405,
      headersOfAnswer: { 'access-control-allow-origin': null },
    },
    {
      name: 'errors Vendor, no credential: the shape of the first dialect',
      path: '/conformance-vendor/v1/items',
      status: 401,
      json: { error: { code: 401, status: 'ACCESS_ERROR' } },
    },
    ...[
      ['JDCloud', { error: { code: 401 } }],
      ['Huawei', { error_code: 'APIG.0303' }],
      ['Tencent', { message: 'HMAC signature does not match.' }],
    ].map(([dialect, json]) => ({
      name: `errors Vendor, ${dialect}: its shape`,
      dialect,
      key: { name: KEY_OF[dialect], secret: 'not-the-secret-of-this-key' },
      path: '/conformance-vendor/v1/items',
      status: 401,
      json,
    })),
    {
      ...huawei,
      key: 'limited',
      name: 'a rate limit counts, and says so',
      path: LIST,
      status: 200,
      headersOfAnswer: {
        'x-ratelimit-limit': '2',
        'x-ratelimit-used': '1/2',
        'x-secret-id': { keyOf: 'limited' },
        'x-usageplan-id': /^usagePlan-/,
        'ratelimit-policy': /./,
        'retry-after': null,
      },
    },
    {
      dialect: 'Tencent',
      key: 'limited',
      name: 'a rate limit refuses, whatever the dialect',
      path: LIST,
      repeat: [200],
      status: 429,
      code: 'RateLimited',
      headersOfAnswer: { 'retry-after': /^[1-9]\d*$/, 'x-ratelimit-used': '2/2' },
    },
    {
      ...huawei,
      key: 'counted',
      name: 'a quota refuses once it is used up',
      path: LIST,
      repeat: [200, 200],
      status: 429,
      code: 'QuotaExceeded',
    },
    ...quickstartCases(),
  );
  return cases.map((each) => ({ host: hostname, ...each }));
}

/** What examples/quickstart promises. */
function quickstartCases() {
  const at = { host: 'orders.example.com' };
  const keys = {
    jdcloud: { keyId: 'JDC0QUICKSTART00000000000000000A', secret: 'quickstart-jdcloud-secret-0001' },
    huawei: { keyId: 'HWQUICKSTART00000001', secret: 'quickstart-huawei-secret-00001' },
    tencent: { keyId: 'AKIDquickstart000000000000000000001', secret: 'quickstart-tencent-secret-00001' },
    disabled: { keyId: 'JDCUSERACCESSKEY0000000000000001', secret: 'quickstart-analytics-secret-01' },
    backend: { keyId: 'orders-backend-key', secret: 'quickstart-backend-secret-001' },
  };
  const list = '/orders/v1/orders';
  const created = { method: 'POST', body: { sku: 'A-1' }, path: list, status: 200, signedBy: keys.backend };
  return [
    { ...at, name: 'quickstart: JD Cloud lists', dialect: 'JDCloud', key: keys.jdcloud, path: list, status: 200 },
    {
      ...at,
      ...created,
      name: 'quickstart: JD Cloud creates, signed to the backend',
      dialect: 'JDCloud',
      key: keys.jdcloud,
    },
    {
      ...at,
      ...created,
      name: 'quickstart: Huawei creates, signed to the backend',
      dialect: 'Huawei',
      key: keys.huawei,
    },
    {
      ...at,
      name: 'quickstart: Huawei in test',
      dialect: 'Huawei',
      key: keys.huawei,
      path: '/orders/test/v1/orders',
      status: 200,
    },
    {
      ...at,
      name: 'quickstart: JD Cloud in test',
      dialect: 'JDCloud',
      key: keys.jdcloud,
      path: '/orders/test/v1/orders',
      status: 403,
      code: 'Forbidden',
    },
    {
      ...at,
      name: 'quickstart: a disabled user key',
      dialect: 'JDCloud',
      key: keys.disabled,
      path: list,
      status: 401,
      code: 'Unauthorized',
    },
    {
      ...at,
      name: 'quickstart: a generated key without authorization',
      dialect: 'Huawei',
      key: { generated: 'mobile/new-partner' },
      path: list,
      status: 403,
      code: 'Forbidden',
    },
    { ...at, name: 'quickstart: health', path: '/orders/healthz', status: 200 },
    // The plan lets 3 through at once; fewer when an earlier run was less than a minute ago.
    {
      ...at,
      name: 'quickstart: Tencent within 4 requests over the limit',
      dialect: 'Tencent',
      key: keys.tencent,
      path: list,
      within: 4,
      status: 429,
      code: 'RateLimited',
    },
  ].map((each) => ({ ...each, quickstart: true }));
}
