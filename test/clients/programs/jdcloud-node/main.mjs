// npm jdcloud-sdk-js through its own HTTP client.
import { createRequire } from 'node:module';
import { NotExpressible, queryObject, runJob } from '../job.mjs';

const require = createRequire(import.meta.url);
require('jdcloud-sdk-js/src/lib/node_loader');
const JDCloud = require('jdcloud-sdk-js/src/lib/core');
JDCloud.config.update({ logger: () => {} }); // the SDK prints each request otherwise

let service;
await runJob(async (each, { endpoint, keyId, secret }) => {
  if (each.bodyBase64 !== undefined) throw new NotExpressible('the SDK sends JSON bodies only');
  const { protocol, host } = new URL(endpoint);
  service ??= new JDCloud.Service('orders', {
    credentials: new JDCloud.Credentials({ accessKeyId: keyId, secretAccessKey: secret }),
    endpoint: { protocol: protocol.slice(0, -1), host },
    regionId: 'cn-north-1',
  });
  const json = ['application/json'];
  const result = await service
    .makeRequest(each.path, each.method, {}, queryObject(each.query), { ...each.headers }, {}, each.json, json, json)
    .catch((refused) => refused);
  if (!result.responseObj) throw result;
  return result.responseObj.status;
});
