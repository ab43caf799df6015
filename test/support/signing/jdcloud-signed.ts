/** Headers of a request that no other repeats: JDCloud 2 by our own signer, with a nonce of its own. */
import { randomUUID } from 'node:crypto';
import { Redacted } from '../../../src/lib/redacted.js';
import { dialectByName } from '../../../src/signature/dialects.js';

export function jdcloudHeaders(
  port: number,
  target: string,
  { keyId, secret }: { readonly keyId: string; readonly secret: string },
): Record<string, string> {
  const host = `127.0.0.1:${port}`;
  const signed = dialectByName('JDCloud').sign(
    { method: 'GET', target, host, signHeaders: [], contentType: undefined, body: Buffer.alloc(0) },
    { keyId, secret: new Redacted(secret) },
    { nowMs: Date.now(), nonce: randomUUID() },
  );
  return { Host: host, ...Object.fromEntries(signed) };
}
