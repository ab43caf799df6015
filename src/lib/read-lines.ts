/** Lines of a byte stream, split at LF alone: U+2028 and its like are text, in JSON and in what callers send. */

export interface ReadLinesOptions {
  /** A longer line is an error; default: none is. */
  readonly maxBytes?: number;
  /** Whether what comes after the last LF is a line too. */
  readonly unfinished: 'keep' | 'drop';
}

const LF = 0x0a;

/**
 * @returns lines without their LF or CRLF, as UTF-8; empty ones are left out.
 * @throws Error for a line of more than `maxBytes`, and whatever the stream throws.
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array | string>,
  { maxBytes = Number.POSITIVE_INFINITY, unfinished }: ReadLinesOptions,
): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (): string => {
    const line = Buffer.concat(parts).toString('utf8');
    [parts, size] = [[], 0];
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  };
  const keep = (part: Uint8Array): void => {
    parts.push(part);
    size += part.length;
    if (size > maxBytes) throw new Error(`a line of more than ${String(maxBytes)} bytes`);
  };
  for await (const piece of stream) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      keep(chunk.subarray(start, end));
      start = end + 1;
      const line = take();
      if (line !== '') yield line;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (unfinished === 'keep' && size > 0) yield take();
}
