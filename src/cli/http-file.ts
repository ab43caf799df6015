/** Reads an HTTP/1.1 message from a file, byte for byte, as a server would have received it. */
import type { WireRequest } from '../signature/dialect.js';

export type ReadMessage =
  | { readonly ok: true; readonly request: WireRequest }
  | { readonly ok: false; readonly line: number; readonly message: string };

/**
 * Request line, headers, empty line, body. Line ends may be CRLF or LF. The body is what follows, cut to
 * Content-Length when there is more (an editor's last line end). RFC 9112 §2.
 */
export function readHttpMessage(bytes: Buffer): ReadMessage {
  const head = /\r?\n\r?\n/.exec(bytes.toString('latin1'));
  const headText = bytes.toString('latin1', 0, head?.index ?? bytes.length).replace(/^(\r?\n)+/, '');
  const [requestLine = '', ...headerLines] = headText.split(/\r?\n/);
  const match = /^([!-~]+) (\S+)(?: HTTP\/\d(?:\.\d)?)?$/.exec(requestLine);
  if (!match) return { ok: false, line: 1, message: 'must be a request line such as GET /path HTTP/1.1' };
  const headers: [string, string][] = [];
  for (const [i, line] of headerLines.entries()) {
    if (line === '') continue;
    const header = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (!header) return { ok: false, line: i + 2, message: 'must be a header, Name: value' };
    headers.push([(header[1] ?? '').toLowerCase(), header[2] ?? '']);
  }
  const { target, host } = splitTarget(match[2] ?? '');
  if (host !== undefined && !headers.some(([name]) => name === 'host')) headers.unshift(['host', host]);
  if (!headers.some(([name]) => name === 'host')) return { ok: false, line: 2, message: 'needs a Host header' };
  const rest = head ? bytes.subarray(head.index + head[0].length) : Buffer.alloc(0);
  const length = headers.find(([name]) => name === 'content-length')?.[1];
  const body = length !== undefined && /^\d+$/.test(length) ? rest.subarray(0, Number(length)) : rest;
  return { ok: true, request: { method: match[1] ?? '', target, headers, body } };
}

/** Absolute form keeps its authority only as Host. RFC 9112 §3.2.2. */
function splitTarget(text: string): { readonly target: string; readonly host?: string } {
  const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(text);
  if (!match) return { target: text };
  const rest = match[2] ?? '';
  return { target: rest.startsWith('/') ? rest : `/${rest}`, host: match[1] ?? '' };
}
