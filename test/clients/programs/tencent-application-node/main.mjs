// A client after Tencent's published samples for applications: Source and X-Date in the list, then method, Accept,
// Content-Type, Content-MD5, path and parameters, each as text before any encoding.
import { createHash, createHmac } from 'node:crypto';
import { bodyOf, runJob } from '../job.mjs';

/** By name, then by value; of an empty value the name alone. */
function parametersOf(pairs) {
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const sorted = pairs.toSorted(([a, x], [b, y]) => order(a, b) || order(x, y));
  return sorted.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&');
}

await runJob(async (each, { endpoint, keyId, secret }) => {
  const source = 'apigw test';
  const date = new Date().toUTCString();
  const accept = 'application/json';
  const body = each.json === undefined ? bodyOf(each) : JSON.stringify(each.json);
  // The base64 text of the hexadecimal digest, not that of RFC 1864.
  const md5 = body === undefined ? '' : Buffer.from(createHash('md5').update(body).digest('hex')).toString('base64');
  const parameters = parametersOf(each.query);
  const target = parameters === '' ? each.path : `${each.path}?${parameters}`;
  const type = each.contentType ?? '';
  const text = [`source: ${source}`, `x-date: ${date}`, each.method, accept, type, md5, target].join('\n');
  const signature = createHmac('sha1', secret).update(text).digest('base64');
  const url = new URL(endpoint + encodeURI(each.path));
  url.search = new URLSearchParams(each.query).toString();
  const response = await fetch(url, {
    method: each.method,
    headers: {
      Accept: accept,
      Source: source,
      'X-Date': date,
      Authorization: `hmac id="${keyId}", algorithm="hmac-sha1", headers="source x-date", signature="${signature}"`,
      ...(type === '' ? {} : { 'Content-Type': type }),
      ...(md5 === '' ? {} : { 'Content-MD5': md5 }),
      ...each.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  await response.arrayBuffer();
  return response.status;
});
