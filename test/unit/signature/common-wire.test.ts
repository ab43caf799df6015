import { describe, expect, test } from '@jest/globals';
import {
  collapseBlanks,
  decodeBase64,
  decodeLowerHex,
  formatCompactDate,
  formatImfDate,
  hasMalformedEscape,
  isLowerToken,
  parseCompactDate,
  parseImfDate,
  percentDecode,
  percentEncode,
  percentEncodePath,
  queryPieces,
  sha256Hex,
  sha256HexOfText,
  splitTarget,
  trimBlanks,
} from '../../../src/signature/wire.js';

describe('compact dates', () => {
  test('are read to the second', () => {
    expect(parseCompactDate('20240229T235959Z')).toBe(Date.UTC(2024, 1, 29, 23, 59, 59));
    expect(parseCompactDate('19991231T000000Z')).toBe(Date.UTC(1999, 11, 31));
  });

  test('what Date.parse forgives, or takes for another day, is no date', () => {
    for (const text of [
      '',
      '20240230T000000Z',
      '20230229T000000Z',
      '21000229T000000Z',
      '20240431T000000Z',
      '20240001T000000Z',
      '20241301T000000Z',
      '20240100T000000Z',
      '20240101T240000Z',
      '20240101T006000Z',
      '20240101T000060Z',
      '00240101T000000Z',
      '20240101T000000',
      '20240101T000000z',
      '20240101t000000Z',
      ' 20240101T000000Z',
      '20240101T000000Z ',
      '2024-01-01T00:00:00Z',
      '20240101T0000+0Z',
      '2024010\u0661T00000Z',
      '20240101T000000Z\n',
    ]) {
      expect({ text, time: parseCompactDate(text) }).toEqual({ text, time: undefined });
    }
  });

  test('are written as they are read, cut to the second', () => {
    expect(formatCompactDate(Date.UTC(2024, 1, 29, 1, 2, 3, 999))).toBe('20240229T010203Z');
  });
});

describe('IMF-fixdate', () => {
  test('is read, the weekday not compared', () => {
    expect(parseImfDate('Mon, 19 Mar 2018 12:08:40 GMT')).toBe(Date.UTC(2018, 2, 19, 12, 8, 40));
    expect(parseImfDate('Sun, 21 Sep 2017 06:18:21 GMT')).toBe(Date.UTC(2017, 8, 21, 6, 18, 21));
  });

  test('other forms of HTTP dates, offsets and impossible days are refused', () => {
    for (const text of [
      'Monday, 19-Mar-18 12:08:40 GMT',
      'Mon Mar 19 12:08:40 2018',
      'Mon, 19 Mar 2018 12:08:40 UTC',
      'Mon, 19 Mar 2018 12:08:40 +0000',
      'mon, 19 Mar 2018 12:08:40 GMT',
      'Mon, 19 mar 2018 12:08:40 GMT',
      'Mon, 9 Mar 2018 12:08:40 GMT',
      'Fri, 30 Feb 2018 12:08:40 GMT',
      'Mon, 19 Mar 2018 24:08:40 GMT',
      'Mon,  9 Mar 2018 12:08:40 GMT',
      'Xxx, 19 Mar 2018 12:08:40 GMT',
    ]) {
      expect({ text, time: parseImfDate(text) }).toEqual({ text, time: undefined });
    }
  });

  test('is written as it is read', () => {
    const time = Date.UTC(2024, 1, 29, 1, 2, 3);
    expect(parseImfDate(formatImfDate(time))).toBe(time);
  });
});

describe('hex and base64', () => {
  test('hex is lower case and of the exact length', () => {
    expect(decodeLowerHex('00ff', 2)).toEqual(Buffer.from([0, 255]));
    for (const text of ['00FF', '00f', '00fg', '00ff0', ' 0ff', '', '0\u0660ff']) {
      expect(decodeLowerHex(text, 2)).toBeUndefined();
    }
  });

  test('base64 has one spelling', () => {
    expect(decodeBase64('AAE=', 2)).toEqual(Buffer.from([0, 1]));
    for (const text of ['AAE', 'AAF=', 'AA-=', 'AAE=\n', ' AAE=', 'A A=', 'AAEC', 'AAE==', '____', '']) {
      expect(decodeBase64(text, 2)).toBeUndefined();
    }
  });
});

describe('escapes', () => {
  test('every byte but the unreserved is encoded in upper case', () => {
    expect(percentEncode('Az09-._~ /\u00e9\u0000')).toBe('Az09-._~%20%2F%E9%00');
    expect(percentEncodePath('/a b/')).toBe('/a%20b/');
  });

  test('a malformed escape stays, a plus is a space only in queries', () => {
    expect(percentDecode('%41%zz%4%+')).toBe('A%zz%4%+');
    expect(percentDecode('a+b%2B', true)).toBe('a b+');
    expect(percentDecode('%')).toBe('%');
    expect(hasMalformedEscape('%41')).toBe(false);
    expect(hasMalformedEscape('%41%4')).toBe(true);
  });

  test('decoding undoes encoding for every byte', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
    expect(percentDecode(percentEncode(bytes))).toBe(bytes);
  });
});

describe('targets and values', () => {
  test('the query begins after the first question mark', () => {
    expect(splitTarget('/a?b?c')).toEqual({ path: '/a', query: 'b?c' });
    expect(splitTarget('?x')).toEqual({ path: '/', query: 'x' });
    expect(splitTarget('/a')).toEqual({ path: '/a', query: '' });
  });

  test('pieces keep the difference between no value and an empty one', () => {
    expect(queryPieces('a&b=&=c&&d=e=f')).toEqual([
      { name: 'a', value: undefined },
      { name: 'b', value: '' },
      { name: '', value: 'c' },
      { name: 'd', value: 'e=f' },
    ]);
  });

  test('only space and tab are blanks', () => {
    expect(trimBlanks(' \ta b\t ')).toBe('a b');
    expect(trimBlanks(' \t ')).toBe('');
    expect(trimBlanks('\u00a0a')).toBe('\u00a0a');
    expect(collapseBlanks('  a   b \t c\td  ')).toBe('a b c d');
    expect(collapseBlanks('a b')).toBe('a b');
  });

  test('names are lower-case tokens', () => {
    expect(isLowerToken('x-a_1')).toBe(true);
    for (const name of ['', 'X', 'a b', 'a:', 'a\n', '\u00e9', '(']) expect(isLowerToken(name)).toBe(false);
  });

  test('hashes of bytes and of their latin1 text are one', () => {
    expect(sha256HexOfText('caf\u00e9')).toBe(sha256Hex(Buffer.from('caf\u00e9', 'latin1')));
    expect(sha256Hex(new Uint8Array())).toBe(sha256HexOfText(''));
  });
});
