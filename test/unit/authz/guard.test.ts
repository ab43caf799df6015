import { describe, expect, test } from '@jest/globals';
import { guardHeaders, holdsSecondCredential } from '../../../src/authz/guard/headers.js';
import { isCanonicalPath, otherReadings } from '../../../src/authz/guard/path.js';
import { compileSourceRanges } from '../../../src/authz/guard/source-ranges.js';

describe('canonical paths', () => {
  test.each([
    '/a/../b',
    '/../a',
    '/a/..',
    '/a/.',
    '/a/./b',
    '/%2e%2e/a',
    '/%2E./a',
    '/a/..;x=1/b',
    '/a/.;/b',
    '/a/%2e%2e;x/b',
    '/a/..%3bx/b',
    '/a/%252e%252e/b',
    '/a/%252e%252e%253bx/b',
    '/a%252f..%252fb',
    '/a/..%255cb',
    '//a',
    '/a//b',
    '/a\\b',
    '/a%2fb',
    '/a%2Fb',
    '/a%5cb',
    '/a%00',
    '/a%zz',
    '/a%',
    '/a%2',
    '/a b',
    '/a#b',
    '/a\u00e9',
    '',
    'a',
    '*',
    '/a\n',
  ])('refuses %j', (path) => expect(isCanonicalPath(path)).toBe(false));
  test.each([
    '/',
    '/a',
    '/a/',
    '/.hidden',
    '/a..b',
    '/...',
    '/a;v=1',
    '/ok%20%41',
    '/a%25b',
    '/a%252fb',
    '/a.b/c.d',
    "/x:y@z!$&'()*+,;=",
    '/~_-',
  ])('lets %j pass', (path) => expect(isCanonicalPath(path)).toBe(true));
});

describe('other readings of a path', () => {
  test('a path without escapes and parameters has none', () => expect(otherReadings('/a/b')).toEqual([]));
  test('decoded once and twice, with and without parameters', () => {
    expect(new Set(otherReadings('/%2561;x/b'))).toEqual(new Set(['/%2561/b', '/%61;x/b', '/%61/b', '/a;x/b', '/a/b']));
  });
});

describe('a second credential behind a comma', () => {
  test.each([
    'SDK-HMAC-SHA256 Access=a, SignedHeaders=b;c, Signature=d,SDK-HMAC-SHA256 Access=a, SignedHeaders=b, Signature=d',
    'hmac id="a", signature="b",hmac id="c", signature="d"',
    'hmac id="a,b", signature="b", Bearer abc',
    'Basic YTpi,Basic YTpj',
    'Bearer a,  Digest\tusername="x"',
  ])('is seen in %j', (value) => expect(holdsSecondCredential(value)).toBe(true));
  test.each([
    'SDK-HMAC-SHA256 Access=a, SignedHeaders=b;c, Signature=d',
    'hmac id="a", algorithm="hmac-sha1", headers="date source, x y", signature="b"',
    'JDCLOUD2-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=x, Signature=f',
    '',
    ',',
    ', ,',
    'x,',
  ])('is not seen in %j', (value) => expect(holdsSecondCredential(value)).toBe(false));
  test('60 kB of any punctuation cost less than 5 ms', () => {
    for (const unit of [',', 'a="b",', '"', '\\', ' ', 'a ']) {
      const started = process.cpuUsage();
      holdsSecondCredential(`hmac ${unit.repeat(60_000 / unit.length)}`);
      const { user, system } = process.cpuUsage(started);
      expect(user + system).toBeLessThan(20_000);
    }
  });
});

describe('headers', () => {
  const reasonOf = (...headers: [string, string][]) => guardHeaders({ headers, authority: 'api.example.com' })?.refused;
  test.each([
    [
      [
        ['authorization', 'a'],
        ['authorization', 'b'],
      ],
      'multiple_credentials',
    ],
    [[['authorization', 'Basic a,Basic b']], 'multiple_credentials'],
    [[['proxy-authorization', 'Basic a']], 'multiple_credentials'],
    [
      [
        ['x-date', '1'],
        ['x-date', '2'],
      ],
      'duplicate_header',
    ],
    [
      [
        ['date', '1'],
        ['date', '1'],
      ],
      'duplicate_header',
    ],
    [
      [
        ['host', 'a'],
        ['host', 'b'],
      ],
      'duplicate_header',
    ],
    [
      [
        ['x-jdcloud-nonce', 'a'],
        ['x-jdcloud-nonce', 'b'],
      ],
      'duplicate_header',
    ],
    [
      [
        ['x-sdk-content-sha256', 'a'],
        ['x-sdk-content-sha256', 'b'],
      ],
      'duplicate_header',
    ],
    [[['x_countersign_key_id', 'a']], 'reserved_header'],
    [[['x-countersign_plan', 'a']], 'reserved_header'],
    [[['x_sdk_date', 'a']], 'reserved_header'],
  ] as [[string, string][], string][])('%j is refused as %s', (headers, reason) =>
    expect(reasonOf(...headers)).toBe(reason),
  );
  test('ordinary repeats, dashes and underscores pass', () => {
    expect(
      reasonOf(['accept', 'a'], ['accept', 'b'], ['x_custom', 'c'], ['x-countersign-key-id', 'forged']),
    ).toBeUndefined();
  });
  test('two hosts that Envoy joined are refused', () => {
    expect(guardHeaders({ headers: [], authority: 'a.example,b.example' })?.refused).toBe('duplicate_header');
  });
});

describe('source ranges', () => {
  const ranges = compileSourceRanges({ allow: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'], deny: ['10.1.0.0/16'] });
  test.each([
    ['10.2.3.4', true],
    ['10.1.2.3', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
    ['::ffff:10.2.3.4', true],
    ['::ffff:10.1.2.3', false],
    ['', false],
    ['10.2.3', false],
  ])('%j → %s', (address, admitted) => expect(ranges(address)).toBe(admitted));
  test('an empty allow list admits all that is not denied', () => {
    const all = compileSourceRanges({ allow: [], deny: ['192.0.2.0/24'] });
    expect([all('198.51.100.1'), all('192.0.2.9'), all('nonsense')]).toEqual([true, false, false]);
  });
  test.each(['10.0.0.0/33', 'ten/8', '10.0.0.0/x'])('a range that cannot be read (%j) refuses everybody', (range) => {
    expect(compileSourceRanges({ allow: [], deny: [range] })('198.51.100.1')).toBe(false);
  });
});
