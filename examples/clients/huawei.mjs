// Huawei Cloud: the vendor's own SDK core (npm @huaweicloud/huaweicloud-sdk-core), unmodified.
// Only the endpoint names the gateway.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { BasicCredentials } = require('@huaweicloud/huaweicloud-sdk-core/auth/BasicCredentials');
const { ClientBuilder } = require('@huaweicloud/huaweicloud-sdk-core/ClientBuilder');
const { AKSKSigner } = require('@huaweicloud/huaweicloud-sdk-core/auth/AKSKSigner');
const { DefaultHttpClient } = require('@huaweicloud/huaweicloud-sdk-core/http/DefaultHttpClient');

const credentials = (keyId, secret) => new BasicCredentials().withAk(keyId).withSk(secret).withProjectId('none');

/** @param {{ endpoint: string, keyId: string, secret: string }} options */
export function createHuaweiClient({ endpoint, keyId, secret }) {
  const client = new ClientBuilder((hcClient) => hcClient)
    .withEndpoint(endpoint)
    .withCredential(credentials(keyId, secret))
    .build();
  return {
    /** @returns {Promise<{ status: number, headers: Record<string, string>, body: unknown }>} */
    async send(method, path, { query = {}, body } = {}) {
      try {
        const result = await client.sendRequest({
          method,
          url: path,
          contentType: 'application/json',
          queryParams: query,
          pathParams: {},
          headers: {},
          data: body,
        });
        const { httpStatusCode, ...rest } = result;
        return { status: httpStatusCode, headers: DefaultHttpClient.httpResponse.headers, body: rest };
      } catch (refused) {
        if (!refused.httpStatusCode) throw refused;
        return {
          status: refused.httpStatusCode,
          headers: {},
          body: { error_code: refused.errorCode, error_msg: refused.errorMsg },
        };
      }
    },
  };
}

/** The request as the SDK signs it, not yet sent: to look at it, repeat it or change it. */
export function signWithHuaweiSdk({ endpoint, keyId, secret }, method, path, { query = {}, body } = {}) {
  const url = new URL(path, endpoint);
  url.search = new URLSearchParams(query).toString();
  const request = {
    endpoint: `${endpoint}${path}`,
    url: path,
    method,
    queryParams: query,
    headers: { 'content-type': 'application/json' },
    data: body,
  };
  const headers = AKSKSigner.sign(request, credentials(keyId, secret));
  return { method, url: url.href, headers, body: body === undefined ? undefined : JSON.stringify(body) };
}
