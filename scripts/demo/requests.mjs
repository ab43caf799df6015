// The requests of the demo, each with the outcome it must have. The vendors' own SDKs send or sign them.
import { createJdcloudClient, signWithJdcloudSdk } from '../../examples/clients/jdcloud.mjs';
import { createHuaweiClient, signWithHuaweiSdk } from '../../examples/clients/huawei.mjs';
import { signLikeTencentSample } from '../../examples/clients/tencent.mjs';
import { send } from '../../examples/clients/send.mjs';

const KEYS = {
  jdcloud: { keyId: 'JDC0QUICKSTART00000000000000000A', secret: 'quickstart-jdcloud-secret-0001' },
  huawei: { keyId: 'HWQUICKSTART00000001', secret: 'quickstart-huawei-secret-00001' },
  tencent: { keyId: 'AKIDquickstart000000000000000000001', secret: 'quickstart-tencent-secret-00001' },
  disabled: { keyId: 'JDCUSERACCESSKEY0000000000000001', secret: 'quickstart-analytics-secret-01' },
};

/**
 * @param {string} endpoint the gateway, e.g. http://127.0.0.1:8080
 * @param {{ keyId: string, secret: string }} newPartner the generated key
 */
export function demoRequests(endpoint, newPartner) {
  const at = (key) => ({ endpoint, ...KEYS[key] });
  const list = '/orders/v1/orders';
  const order = { sku: 'A-1', quantity: 2 };
  const jdcloud = createJdcloudClient(at('jdcloud'));
  const huawei = createHuaweiClient(at('huawei'));
  let captured;
  // Signed once: the sample's Date has whole seconds, so honest clients send identical requests.
  const tencentDate = new Date();
  const tencent = () => send(signLikeTencentSample(at('tencent'), 'GET', list, { date: tencentDate }));
  const tamper = (request, change) => send(change(request));
  return [
    {
      title: 'JD Cloud SDK: list orders',
      status: 200,
      reason: 'ok',
      send: () => jdcloud.send('GET', list, { query: { page: '1', sort: 'a b' } }),
    },
    {
      title: 'JD Cloud SDK: create order (signed to backend)',
      status: 200,
      reason: 'ok',
      backendSigned: true,
      send: () => jdcloud.send('POST', list, { body: order }),
    },
    {
      title: 'JD Cloud: a captured request, first time',
      status: 200,
      reason: 'ok',
      send: () => send((captured = signWithJdcloudSdk(at('jdcloud'), 'GET', `${list}/7`))),
    },
    {
      title: 'JD Cloud: the same again (nonce replayed)',
      status: 401,
      reason: 'replayed_nonce',
      send: () => send(captured),
    },
    {
      title: 'JD Cloud: query changed after signing',
      status: 401,
      reason: 'bad_signature',
      send: () =>
        tamper(signWithJdcloudSdk(at('jdcloud'), 'GET', list, { query: { page: '1' } }), (r) => ({
          ...r,
          url: r.url.replace('page=1', 'page=2'),
        })),
    },
    {
      title: 'Huawei Cloud SDK: list orders',
      status: 200,
      reason: 'ok',
      send: () => huawei.send('GET', list, { query: { page: '1' } }),
    },
    {
      title: 'Huawei Cloud SDK: create order (signed to backend)',
      status: 200,
      reason: 'ok',
      backendSigned: true,
      send: () => huawei.send('POST', list, { body: order }),
    },
    {
      title: 'Huawei Cloud: one byte of the body changed',
      status: 401,
      reason: 'bad_signature',
      send: () =>
        tamper(signWithHuaweiSdk(at('huawei'), 'POST', list, { body: order }), (r) => ({
          ...r,
          body: r.body.replace('2', '3'),
        })),
    },
    {
      title: 'Huawei Cloud SDK: test environment (granted)',
      status: 200,
      reason: 'ok',
      send: () => huawei.send('GET', `/orders/test/v1/orders`),
    },
    {
      title: 'JD Cloud SDK: test environment (not granted)',
      status: 403,
      reason: 'not_authorized',
      send: () => jdcloud.send('GET', `/orders/test/v1/orders`),
    },
    { title: 'Tencent sample client: 1 of 3 allowed', status: 200, reason: 'ok', limits: true, send: tencent },
    { title: 'Tencent sample client: 2 of 3, identical', status: 200, reason: 'ok', limits: true, send: tencent },
    { title: 'Tencent sample client: 3 of 3, identical', status: 200, reason: 'ok', limits: true, send: tencent },
    {
      title: 'Tencent sample client: over the limit',
      status: 429,
      reason: 'rate_limited',
      limits: true,
      send: tencent,
    },
    {
      title: 'a user access key that is disabled',
      status: 401,
      reason: 'key_disabled',
      send: () => createJdcloudClient(at('disabled')).send('GET', list),
    },
    {
      title: 'a generated key without authorization',
      status: 403,
      reason: 'not_authorized',
      send: () => createJdcloudClient({ endpoint, ...newPartner }).send('GET', list),
    },
    {
      title: 'no signature at all',
      status: 401,
      reason: 'missing_credential',
      send: () => send({ method: 'GET', url: endpoint + list, headers: {} }),
    },
    {
      title: 'a path in disguise: /orders/v1/x%2Fy',
      status: 400,
      reason: 'non_canonical_path',
      send: () => send({ method: 'GET', url: `${endpoint}/orders/v1/x%2Fy`, headers: {} }),
    },
    {
      title: 'an API without authentication: health',
      status: 200,
      reason: 'ok',
      send: () => send({ method: 'GET', url: `${endpoint}/orders/healthz`, headers: {} }),
    },
  ];
}
