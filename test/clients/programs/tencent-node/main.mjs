// A client after Tencent's published samples, key pair, Date and Source signed: the one of examples/clients.
import { send } from '../../../../examples/clients/send.mjs';
import { signLikeTencentSample } from '../../../../examples/clients/tencent.mjs';
import { bodyOf, runJob } from '../job.mjs';

await runJob(async (each, { endpoint, keyId, secret }) => {
  const request = signLikeTencentSample({ endpoint, keyId, secret }, each.method, encodeURI(each.path), {
    query: each.query,
    body: each.json,
  });
  const binary = bodyOf(each);
  if (binary)
    Object.assign(request, { body: binary, headers: { ...request.headers, 'Content-Type': each.contentType } });
  Object.assign(request.headers, each.headers);
  return (await send(request)).status;
});
