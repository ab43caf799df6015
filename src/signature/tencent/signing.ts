/** The header lines that the gateway signs towards a backend in either Tencent dialect. Spec: tencent.md §2, §6. */
import type { OutgoingRequest } from '../dialect.js';
import { hasNonAscii, trimBlanks } from '../wire.js';

type Header = readonly [name: string, value: string];

export const nameOf = ([name]: Header): string => name;
export const lineOf = ([name, value]: Header): string => `${name}: ${value}`;

/** The scheme's own headers, then the request's with values that every client signs alike: not empty, ASCII, once. */
export function signableHeaders(own: readonly Header[], request: OutgoingRequest): Header[] {
  const signed = own.slice();
  for (const [name, value] of request.signHeaders) {
    const text = trimBlanks(value);
    if (text === '' || hasNonAscii(text) || signed.some((header) => header[0] === name)) continue;
    signed.push([name, text]);
  }
  return signed;
}
