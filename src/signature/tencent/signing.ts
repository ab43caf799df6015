/** The header lines that the gateway signs towards a backend in either Tencent dialect. Spec: tencent.md §2, §6. */
import type { OutgoingRequest } from '../dialect.js';
import { hasNonAscii, trimBlanks } from '../wire.js';

type Header = readonly [name: string, value: string];

/** The names as the credential lists them, and the lines signed, LF between. */
export function listed(signed: readonly Header[]): { readonly names: string; readonly lines: string } {
  let names = '';
  let lines = '';
  for (const [name, value] of signed) {
    names += names === '' ? name : ` ${name}`;
    lines += lines === '' ? `${name}: ${value}` : `\n${name}: ${value}`;
  }
  return { names, lines };
}

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
