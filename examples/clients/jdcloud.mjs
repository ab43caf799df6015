// JD Cloud: the vendor's own SDK (npm jdcloud-sdk-js), unmodified. Only the endpoint names the gateway.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
require('jdcloud-sdk-js/src/lib/node_loader');
const JDCloud = require('jdcloud-sdk-js/src/lib/core');
JDCloud.config.update({ logger: () => {} }); // the SDK prints each request otherwise

/** @param {{ endpoint: string, keyId: string, secret: string, region?: string }} options */
export function createJdcloudClient({ endpoint, keyId, secret, region = 'cn-north-1' }) {
  const { protocol, host } = new URL(endpoint);
  const service = new JDCloud.Service('orders', {
    credentials: new JDCloud.Credentials({ accessKeyId: keyId, secretAccessKey: secret }),
    endpoint: { protocol: protocol.slice(0, -1), host },
    regionId: region,
  });
  return {
    /** @returns {Promise<{ status: number, headers: Headers, body: unknown }>} */
    async send(method, path, { query = {}, body } = {}) {
      const result = await service
        .makeRequest(path, method, {}, query, {}, {}, body, ['application/json'], ['application/json'])
        .catch((refused) => refused);
      const response = result.responseObj;
      if (!response) throw result;
      delete result.responseObj;
      return { status: response.status, headers: response.headers, body: result };
    },
  };
}

/** The request as the SDK signs it, not yet sent: to look at it, repeat it or change it. */
export function signWithJdcloudSdk(
  { endpoint, keyId, secret, region = 'cn-north-1' },
  method,
  path,
  { query = {}, body } = {},
) {
  const { protocol, host } = new URL(endpoint);
  const service = new JDCloud.Service('orders', {
    endpoint: { protocol: protocol.slice(0, -1), host },
    regionId: region,
  });
  const request = new JDCloud.JCRequest(service, path, method, {}, query, {}, {}, body, ['application/json'], []);
  const SignerV2 = require('jdcloud-sdk-js/src/lib/signers/v2');
  new SignerV2(request, 'orders').addAuthorization({ accessKeyId: keyId, secretAccessKey: secret });
  const headers = {};
  request.request.headers.forEach((value, name) => (headers[name] = value));
  return { method, url: request.request.url, headers, body: body === undefined ? undefined : JSON.stringify(body) };
}
