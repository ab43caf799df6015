/** Headers of a client after Tencent's published samples: Date and Source signed with hmac-sha1. Independent of our signer. */
import { createHmac } from 'node:crypto';

export interface SampleKey {
  readonly keyId: string;
  readonly secret: string;
}

export function tencentHeaders({ keyId, secret }: SampleKey, date = new Date()): Record<string, string> {
  const text = `date: ${date.toUTCString()}\nsource: test`;
  const signature = createHmac('sha1', secret).update(text).digest('base64');
  return {
    Date: date.toUTCString(),
    Source: 'test',
    Authorization: `hmac id="${keyId}", algorithm="hmac-sha1", headers="date source", signature="${signature}"`,
  };
}
