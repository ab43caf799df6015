/** Requests signed in the Huawei dialect by our own signer: for tests whose subject is not the signature. */
import { randomUUID } from 'node:crypto';
import { Redacted } from '../../../src/lib/redacted.js';
import { dialectByName } from '../../../src/signature/dialects.js';

export interface SigningCredentials {
  readonly keyId: string;
  readonly secret: string;
}

export async function signedFetch(
  url: string,
  { keyId, secret }: SigningCredentials,
  init: { readonly method?: string; readonly body?: string; readonly nowMs?: number } = {},
): Promise<Response> {
  const { method = 'GET', body, nowMs = Date.now() } = init;
  const { host, pathname, search } = new URL(url);
  const headers = dialectByName('Huawei').sign(
    { method, target: pathname + search, host, signHeaders: [], contentType: undefined, body: Buffer.from(body ?? '') },
    { keyId, secret: new Redacted(secret) },
    { nowMs, nonce: randomUUID() },
  );
  return fetch(url, {
    method,
    headers: headers.map(([name, value]) => [name, value] as [string, string]),
    ...(body === undefined ? {} : { body }),
  });
}
