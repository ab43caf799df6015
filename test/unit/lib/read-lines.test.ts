import { describe, expect, test } from '@jest/globals';
import { readLines } from '../../../src/lib/read-lines.js';

async function linesOf(text: string, pieceBytes: number, unfinished: 'keep' | 'drop' = 'keep', maxBytes?: number) {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const lines: string[] = [];
  for await (const line of readLines(pieces(), { unfinished, ...(maxBytes ? { maxBytes } : {}) })) lines.push(line);
  return lines;
}

describe('lines of a stream', () => {
  test.each([1, 2, 3, 7, 1000])('are split at line feeds alone, in pieces of %i bytes', async (pieceBytes) => {
    const text = 'a\u2028b\n\n{"x":"\u2029\u0085"}\r\nlast\rone';
    expect(await linesOf(text, pieceBytes)).toEqual(['a\u2028b', '{"x":"\u2029\u0085"}', 'last\rone']);
    expect(await linesOf(text, pieceBytes, 'drop')).toEqual(['a\u2028b', '{"x":"\u2029\u0085"}']);
  });

  test('that are longer than allowed are an error, finished or not', async () => {
    expect(await linesOf('12345\n12345\n', 4, 'drop', 5)).toEqual(['12345', '12345']);
    await expect(linesOf('123456\n', 100, 'drop', 5)).rejects.toThrow('a line of more than 5 bytes');
    await expect(linesOf('123456', 4, 'drop', 5)).rejects.toThrow('a line of more than 5 bytes');
  });
});
