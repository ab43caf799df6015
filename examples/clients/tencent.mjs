// Tencent Cloud API Gateway, key pair: there is no SDK, the vendor publishes sample code. This client does
// what the samples do: Date and Source are signed with hmac-sha1. Standard library only.
import { createHmac } from 'node:crypto';

/** The request as a client after the samples signs it, not yet sent. */
export function signLikeTencentSample(
  { endpoint, keyId, secret },
  method,
  path,
  { query = {}, body, date = new Date() } = {},
) {
  const headers = { Date: date.toUTCString(), Source: 'quickstart' };
  const text = `date: ${headers.Date}\nsource: ${headers.Source}`;
  const signature = createHmac('sha1', secret).update(text).digest('base64');
  headers.Authorization = `hmac id="${keyId}", algorithm="hmac-sha1", headers="date source", signature="${signature}"`;
  const search = new URLSearchParams(query).toString();
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  return {
    method,
    url: `${endpoint}${path}${search ? `?${search}` : ''}`,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  };
}
