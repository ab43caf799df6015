// npm @huaweicloud/huaweicloud-sdk-core through its own HTTP client.
import { createRequire } from 'node:module';
import { bodyOf, queryObject, runJob } from '../job.mjs';

const require = createRequire(import.meta.url);
const { BasicCredentials } = require('@huaweicloud/huaweicloud-sdk-core/auth/BasicCredentials');
const { ClientBuilder } = require('@huaweicloud/huaweicloud-sdk-core/ClientBuilder');

let client;
await runJob(async (each, { endpoint, keyId, secret }) => {
  client ??= new ClientBuilder((hcClient) => hcClient)
    .withEndpoint(endpoint)
    .withCredential(new BasicCredentials().withAk(keyId).withSk(secret).withProjectId('none'))
    .build();
  try {
    const response = await client.sendRequest({
      method: each.method,
      url: each.path,
      contentType: each.contentType ?? 'application/json',
      queryParams: queryObject(each.query),
      pathParams: {},
      headers: { ...each.headers },
      data: each.json ?? bodyOf(each),
    });
    return response.httpStatusCode;
  } catch (refused) {
    if (!refused.httpStatusCode) throw refused;
    return refused.httpStatusCode;
  }
});
