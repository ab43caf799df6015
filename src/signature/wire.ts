/**
 * Reading wire text: headers, escapes, hex, base64, dates, digests. The caller chooses every input, so each
 * function is total, linear in its input and free of backtracking. Text is latin1, one character per byte.
 */
import { hash } from 'node:crypto';
import type { WireRequest } from './dialect.js';

const LOW_BYTE = 0xff; // text is latin1; a wider character would be a bug, and is cut rather than trusted

/** All values of a header in wire order. `name` is lower case. */
export function headerValues(request: WireRequest, name: string): string[] {
  const values: string[] = [];
  for (const header of request.headers) if (header[0] === name) values.push(header[1]);
  return values;
}

/** The first value of a header. Callers that need it unrepeated have `repeatedHeader` judge that. */
export function headerValue(request: WireRequest, name: string): string | undefined {
  for (const header of request.headers) if (header[0] === name) return header[1];
  return undefined;
}

/** How often a header occurs. */
export function countHeader(request: WireRequest, name: string): number {
  let count = 0;
  for (const header of request.headers) if (header[0] === name) count++;
  return count;
}

/** The first of `names` that the request carries more than once. */
export function repeatedHeader(request: WireRequest, names: readonly string[]): string | undefined {
  for (const name of names) if (countHeader(request, name) > 1) return name;
  return undefined;
}

const SCRATCH_BYTES = 65_536;
const scratch = Buffer.alloc(SCRATCH_BYTES);

/** Room to write text byte by byte, without contents: used and read out before anything else can ask for it. */
const room = (bytes: number): Buffer => (bytes <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(bytes));

/** Path and query of a request target, cut at the first `?`. No `?` and an empty query both give `''`; an empty path gives `/`. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return { path: path === '' ? '/' : path, query: mark < 0 ? '' : target.slice(mark + 1) };
}

/**
 * A query is decoded, cut, sorted, encoded and joined once for each profile before a key is believed, and whoever
 * makes up a key id can ask for it: bound pieces and bytes. Common servers end a request line at 8 KiB.
 */
export const MAX_QUERY_PARAMETERS = 1024;
export const MAX_QUERY_BYTES = 16 * 1024;

/** Why a query is not canonicalised: it is longer, or of more parameters, than any client sends. */
export function oversizedQuery(target: string): string | undefined {
  const mark = target.indexOf('?');
  if (mark < 0) return undefined;
  if (target.length - mark - 1 > MAX_QUERY_BYTES) return `the query is longer than ${MAX_QUERY_BYTES} bytes`;
  let count = 1;
  for (let at = target.indexOf('&', mark); at >= 0; at = target.indexOf('&', at + 1)) {
    if (++count > MAX_QUERY_PARAMETERS) return `the query has more than ${MAX_QUERY_PARAMETERS} parameters`;
  }
  return undefined;
}

/** One `&`-separated piece of a query, undecoded. `value` is `undefined` where the piece has no `=`. */
export interface QueryPiece {
  readonly name: string;
  readonly value: string | undefined;
}

/** The non-empty pieces of a query in wire order, each cut at its first `=`. */
export function queryPieces(query: string): QueryPiece[] {
  if (query === '') return [];
  const pieces: QueryPiece[] = [];
  for (const piece of query.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    pieces.push(
      equals < 0 ? { name: piece, value: undefined } : { name: piece.slice(0, equals), value: piece.slice(equals + 1) },
    );
  }
  return pieces;
}

/**
 * True for `name=value` pieces of unreserved characters alone in the order of names, then values: what decoding,
 * encoding and sorting would leave as it is. Most queries are of this form.
 */
export function isSortedQuery(query: string): boolean {
  let lastName = '';
  let lastValue = '';
  for (let start = 0; start < query.length;) {
    const equals = query.indexOf('=', start);
    if (equals < 0) return false;
    const next = query.indexOf('&', equals);
    const end = next < 0 ? query.length : next;
    if (!isKept(query, start, equals) || !isKept(query, equals + 1, end) || end === query.length - 1) return false;
    const name = query.slice(start, equals);
    const value = query.slice(equals + 1, end);
    if (name < lastName || (name === lastName && value < lastValue)) return false;
    lastName = name;
    lastValue = value;
    start = end + 1;
  }
  return true;
}

function isKept(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (UNRESERVED[text.charCodeAt(i)] !== 1) return false;
  return true;
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** Without SP and HT at both ends: RFC 9110 §5.5 optional white space. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

/** Trimmed, with every inner run of SP and HT as one space. */
export function collapseBlanks(text: string): string {
  const trimmed = trimBlanks(text);
  if (!trimmed.includes('  ') && !trimmed.includes('\t')) return trimmed;
  // Into bytes: a string put together from as many pieces as an attacker puts runs into a header is slow to read.
  const units = Buffer.allocUnsafe(2 * trimmed.length);
  let length = 0;
  let inRun = false;
  for (let i = 0; i < trimmed.length; i++) {
    const code = trimmed.charCodeAt(i);
    const blank = isBlank(code);
    if (!blank || !inRun) length = units.writeUInt16LE(blank ? 0x20 : code, length);
    inRun = blank;
  }
  return units.toString('utf16le', 0, length);
}

/** True when every character is visible ASCII (0x21 to 0x7e) and there is at least one. */
export function isVisibleAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return text.length > 0;
}

/** True for a non-empty lower-case field name (RFC 9110 token). */
export function isLowerToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (LOWER_TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

const tableOf = (characters: string): Uint8Array => {
  const table = new Uint8Array(256);
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = 1;
  return table;
};
const DIGITS = '0123456789';
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const LOWER_TOKEN = tableOf(`${DIGITS}${LOWER}!#$%&'*+-.^_\`|~`);
const UNRESERVED = tableOf(`${DIGITS}${LOWER}${LOWER.toUpperCase()}-._~`);
const UNRESERVED_AND_SLASH = tableOf(`${DIGITS}${LOWER}${LOWER.toUpperCase()}-._~/`);
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;
const UPPER_HEX = Buffer.from('0123456789ABCDEF');

function escapeOutside(text: string, kept: Uint8Array): string {
  let i = 0;
  while (i < text.length && kept[text.charCodeAt(i)] === 1) i++;
  if (i === text.length) return text;
  const bytes = room(3 * text.length);
  let end = bytes.write(text.slice(0, i), 'latin1');
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i) & LOW_BYTE;
    if (kept[code] === 1) {
      bytes[end++] = code;
    } else {
      bytes[end++] = PERCENT;
      bytes[end++] = UPPER_HEX[code >> 4]!;
      bytes[end++] = UPPER_HEX[code & 15]!;
    }
  }
  return bytes.toString('latin1', 0, end);
}

/** Percent-encodes every byte but the RFC 3986 unreserved ones, upper-case hex. */
export const percentEncode = (text: string): string => escapeOutside(text, UNRESERVED);

/** As `percentEncode`, keeping `/`. */
export const percentEncodePath = (text: string): string => escapeOutside(text, UNRESERVED_AND_SLASH);

/** Value of a hex digit of either case, or -1. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return -1;
}

/** Decodes `%XX` to bytes; a malformed escape stays as it is. `plusAsSpace` is the form rule of queries. */
export function percentDecode(text: string, plusAsSpace = false): string {
  if (!text.includes('%') && !(plusAsSpace && text.includes('+'))) return text;
  const bytes = room(text.length);
  let end = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code === PLUS && plusAsSpace) {
      code = SPACE;
    } else if (code === PERCENT) {
      const high = hexDigit(text.charCodeAt(i + 1));
      const low = hexDigit(text.charCodeAt(i + 2));
      if (high >= 0 && low >= 0) {
        code = high * 16 + low;
        i += 2;
      }
    }
    bytes[end++] = code;
  }
  return bytes.toString('latin1', 0, end);
}

/** Bytes whose escapes the gateway's guard refuses in every path, before any signature is looked at: NUL, `/`, `\\`. */
const GUARDED_IN_PATHS: readonly number[] = [0x00, 0x2f, 0x5c];

/** True when a well-formed escape occurs, those of the `ignored` bytes not counted. */
export function hasEscape(text: string, ignored: readonly number[] = []): boolean {
  for (let i = text.indexOf('%'); i >= 0; i = text.indexOf('%', i + 1)) {
    const high = hexDigit(text.charCodeAt(i + 1));
    const low = hexDigit(text.charCodeAt(i + 2));
    if (high >= 0 && low >= 0 && !ignored.includes(high * 16 + low)) return true;
  }
  return false;
}

/** True when a path, decoded once, is another path with an escape that the guard lets pass: `/a%2520b`. */
export const hasNestedEscape = (path: string): boolean =>
  path.includes('%') && hasEscape(percentDecode(path), GUARDED_IN_PATHS);

/** True when a `%` is not followed by two hex digits. */
export function hasMalformedEscape(text: string): boolean {
  for (let i = text.indexOf('%'); i >= 0; i = text.indexOf('%', i + 1)) {
    if (hexDigit(text.charCodeAt(i + 1)) < 0 || hexDigit(text.charCodeAt(i + 2)) < 0) return true;
  }
  return false;
}

/** True when a byte above 0x7f occurs. */
export const hasNonAscii = (text: string): boolean => Buffer.byteLength(text, 'utf8') !== text.length;

/** The text a client hashed that held these bytes as characters: each byte above 0x7f as its two UTF-8 bytes. */
export const latin1AsUtf8 = (text: string): string =>
  hasNonAscii(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;

/** True for text that `latin1AsUtf8` makes of other text: UTF-8 of characters up to U+00FF, one of them not ASCII. */
export function isUtf8OfLatin1(bytes: string): boolean {
  if (!hasNonAscii(bytes)) return false;
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    if (code < 0x80) continue;
    const next = bytes.charCodeAt(++i);
    if ((code !== 0xc2 && code !== 0xc3) || !(next >= 0x80 && next <= 0xbf)) return false;
  }
  return true;
}

/** UTF-8 bytes read as characters, malformed sequences as U+FFFD: what a client's string comparison saw. */
export const utf8Text = (bytes: string): string =>
  hasNonAscii(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;

/** Upper-case digits are none here: a second spelling of one MAC would pass a replay check. */
const lowerHexDigit = (code: number): number =>
  code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;

/** Exactly `length` bytes of lower-case hex, or `undefined`. */
export function decodeLowerHex(text: string, length: number): Uint8Array | undefined {
  if (text.length !== length * 2) return undefined;
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const high = lowerHexDigit(text.charCodeAt(2 * i));
    const low = lowerHexDigit(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Canonical padded standard base64 (RFC 4648 §4) of exactly `length` bytes, or `undefined`. */
export function decodeBase64(text: string, length: number): Uint8Array | undefined {
  if (text.length !== Math.ceil(length / 3) * 4) return undefined;
  const bytes = Buffer.from(text, 'base64');
  // Node skips what it does not know and ignores stray bits: only the spelling it would print itself is one.
  return bytes.length === length && bytes.toString('base64') === text ? bytes : undefined;
}

/** Decimal value of `count` digits at `start`, or NaN. */
function digits(text: string, start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

/** `month` from 0. `undefined` unless every part is a number of a real date; leap seconds are none. */
function utcTime(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  // `Date.UTC` reads years below 100 as 19xx.
  if (!(year >= 100 && month >= 0 && month <= 11 && day >= 1)) return undefined;
  if (day > MONTH_DAYS[month]! && !(month === 1 && day === 29 && isLeap(year))) return undefined;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return undefined;
  return Date.UTC(year, month, day, hour, minute, second);
}

/** `YYYYMMDDTHHMMSSZ`, exactly, in ms since the epoch; `undefined` for all else, 30 February included. */
export function parseCompactDate(text: string): number | undefined {
  if (text.length !== 16 || text[8] !== 'T' || text[15] !== 'Z') return undefined;
  const [year, month, day] = [digits(text, 0, 4), digits(text, 4, 2) - 1, digits(text, 6, 2)];
  return utcTime(year, month, day, digits(text, 9, 2), digits(text, 11, 2), digits(text, 13, 2));
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * IMF-fixdate `EEE, dd MMM yyyy HH:mm:ss GMT` (RFC 9110 §5.6.7), exactly, in ms since the epoch. The weekday has
 * to be one, but is not compared with the date: the vendor's own example has the wrong one.
 */
export function parseImfDate(text: string): number | undefined {
  if (text.length !== 29 || !WEEKDAYS.includes(text.slice(0, 3)) || text.slice(3, 5) !== ', ') return undefined;
  if (text[7] !== ' ' || text[11] !== ' ' || text[16] !== ' ' || text[19] !== ':' || text[22] !== ':') return undefined;
  if (text.slice(25) !== ' GMT') return undefined;
  const month = MONTHS.indexOf(text.slice(8, 11));
  return utcTime(
    digits(text, 12, 4),
    month,
    digits(text, 5, 2),
    digits(text, 17, 2),
    digits(text, 20, 2),
    digits(text, 23, 2),
  );
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** Remembers the text of the last second asked for: all requests of a second share it. */
function perSecond(format: (date: Date) => string): (timeMs: number) => string {
  let lastSecond = NaN;
  let lastText = '';
  return (timeMs) => {
    const second = Math.floor(timeMs / 1000);
    if (second !== lastSecond) {
      lastText = format(new Date(timeMs));
      lastSecond = second;
    }
    return lastText;
  };
}

/** `YYYYMMDDTHHMMSSZ` of a time in ms since the epoch, cut to the second. Years 1000 to 9999. */
export const formatCompactDate = perSecond((date) => {
  const day = `${date.getUTCFullYear()}${two(date.getUTCMonth() + 1)}${two(date.getUTCDate())}`;
  return `${day}T${two(date.getUTCHours())}${two(date.getUTCMinutes())}${two(date.getUTCSeconds())}Z`;
});

/** IMF-fixdate of a time in ms since the epoch. */
export const formatImfDate = perSecond((date) => date.toUTCString());

/** SHA-256 of no bytes: most requests have no body. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Lower-case hex SHA-256 of a body. */
export const sha256Hex = (bytes: Uint8Array): string =>
  bytes.length === 0 ? EMPTY_SHA256 : hash('sha256', bytes, 'hex');

/** Lower-case hex SHA-256 of latin1 text. */
export function sha256HexOfText(text: string): string {
  const bytes = room(text.length);
  return hash('sha256', bytes.subarray(0, bytes.write(text, 'latin1')), 'hex');
}
