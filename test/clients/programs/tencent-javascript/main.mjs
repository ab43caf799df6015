// A client after Tencent's published JavaScript sample, key pair: X-Date and Source signed with hmac-sha1.
import { createHmac } from 'node:crypto';
import { bodyOf, runJob } from '../job.mjs';

await runJob(async (each, { endpoint, keyId, secret }) => {
  const source = 'watermark';
  const date = new Date().toUTCString();
  const signature = createHmac('sha1', secret).update(`x-date: ${date}\nsource: ${source}`).digest('base64');
  const url = new URL(endpoint + encodeURI(each.path));
  url.search = new URLSearchParams(each.query).toString();
  const body = each.json === undefined ? bodyOf(each) : JSON.stringify(each.json);
  const response = await fetch(url, {
    method: each.method,
    headers: {
      Source: source,
      'X-Date': date,
      Authorization: `hmac id="${keyId}", algorithm="hmac-sha1", headers="x-date source", signature="${signature}"`,
      ...(each.contentType === undefined ? {} : { 'Content-Type': each.contentType }),
      ...each.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  await response.arrayBuffer();
  return response.status;
});
