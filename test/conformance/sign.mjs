// Signers that are not ours: the SDKs of JD Cloud and Huawei Cloud as npm has them, and what Tencent Cloud's
// published samples do. Our signer agreeing with our verifier would prove nothing.
import { createHash, createHmac } from 'node:crypto';
import { signWithHuaweiSdk } from '../../examples/clients/huawei.mjs';
import { signWithJdcloudSdk } from '../../examples/clients/jdcloud.mjs';
import { signLikeTencentSample } from '../../examples/clients/tencent.mjs';

/** Application flavour, JSON and no body: what the vendor's demos in Go and Python do. */
function signLikeTencentApplication({ endpoint, keyId, secret }, method, path, { query = {}, body } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const date = new Date().toUTCString();
  const headers = { Accept: 'application/json', 'X-Date': date };
  if (text !== undefined) {
    headers['Content-Type'] = 'application/json';
    headers['Content-MD5'] = Buffer.from(createHash('md5').update(text).digest('hex')).toString('base64');
  }
  const pairs = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  const decoded = pairs.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&');
  const signed = [
    `x-date: ${date}`,
    method,
    headers.Accept,
    headers['Content-Type'] ?? '',
    headers['Content-MD5'] ?? '',
    decoded === '' ? path : `${path}?${decoded}`,
  ].join('\n');
  const signature = createHmac('sha1', secret).update(signed).digest('base64');
  headers.Authorization = `hmac id="${keyId}", algorithm="hmac-sha1", headers="x-date", signature="${signature}"`;
  const search = new URLSearchParams(query).toString();
  return { method, url: `${endpoint}${path}${search === '' ? '' : `?${search}`}`, headers, body: text };
}

const SIGNERS = {
  JDCloud: signWithJdcloudSdk,
  Huawei: signWithHuaweiSdk,
  Tencent: signLikeTencentSample,
  TencentApplication: signLikeTencentApplication,
};

/** Dialects with a signer of somebody else. */
export const DIALECTS = Object.keys(SIGNERS);

/**
 * The request as a client of that dialect sends it.
 *
 * @param {{ dialect: string, endpoint: string, key: { keyId: string, secret: string }, method?: string, path: string,
 *   query?: Record<string, string>, body?: unknown, clockOffsetMs?: number }} request
 */
export function sign({ dialect, endpoint, key, method = 'GET', path, clockOffsetMs = 0, ...rest }) {
  return withClock(clockOffsetMs, () => SIGNERS[dialect]({ endpoint, ...key }, method, path, rest));
}

/** The SDKs ask the process for the time: for as long as they sign it is another. */
function withClock(offsetMs, run) {
  if (offsetMs === 0) return run();
  const { Date: RealDate } = globalThis;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + offsetMs);
      else super(...args);
    }
    static now() {
      return RealDate.now() + offsetMs;
    }
  };
  try {
    return run();
  } finally {
    globalThis.Date = RealDate;
  }
}
