/**
 * Paths that two servers could read differently. Envoy's own guard refuses most of them before
 * us; this one holds without it. The wire path is never changed, only refused, so that what was signed, matched
 * and forwarded are the same bytes.
 */
import { hasMalformedEscape, percentDecode } from '../../signature/wire.js';

/** Some servers decode twice (a proxy, then the application). */
const DECODINGS = 2;

const REFUSED_ESCAPE = /%(?:2f|5c|00)/i;

function hasDotSegment(path: string): boolean {
  for (const segment of path.split(/[/\\]/)) {
    const cut = segment.indexOf(';'); // servlet containers drop `;parameters` before they resolve dots
    const name = cut < 0 ? segment : segment.slice(0, cut);
    if (name === '.' || name === '..') return true;
  }
  return false;
}

const withoutParameters = (path: string): string =>
  path.includes(';')
    ? path
        .split('/')
        .map((segment) => segment.split(';', 1)[0]!)
        .join('/')
    : path;

/** Nothing that could be read in a second way: most paths, at the cost of four scans. */
const isPlain = (path: string): boolean =>
  !path.includes('%') && !path.includes(';') && !path.includes('/.') && !path.includes('//') && !path.includes('\\');

/** False for a dot segment in any reading, an empty segment, a backslash, `%2F`, `%5C`, `%00`, a malformed escape or a byte that no path may hold. */
export function isCanonicalPath(path: string): boolean {
  if (!path.startsWith('/') || !isPathText(path)) return false;
  if (isPlain(path)) return true;
  if (path.includes('//') || path.includes('\\') || REFUSED_ESCAPE.test(path) || hasMalformedEscape(path)) return false;
  let reading = path;
  for (let i = 0; i <= DECODINGS; i++) {
    if (hasDotSegment(reading)) return false;
    reading = percentDecode(reading);
  }
  return true;
}

/**
 * Visible ASCII in path and query: over HTTP/2 other bytes arrive, which Envoy writes into headers in another
 * encoding than they came in, so that what was verified is not what is sent.
 */
export function isTargetText(target: string): boolean {
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}

/** Visible ASCII without `#` and `?`: Envoy lets nothing else through, and a signature scheme would not agree on it. */
function isPathText(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code < 0x21 || code > 0x7e || code === 0x23 || code === 0x3f) return false;
  }
  return true;
}

/** The other texts a backend may take the path for: decoded once or twice, and each without `;parameters`. */
export function otherReadings(path: string): readonly string[] {
  if (!path.includes('%') && !path.includes(';')) return [];
  const readings = new Set<string>();
  let reading = path;
  for (let i = 0; i <= DECODINGS; i++) {
    readings.add(reading);
    readings.add(withoutParameters(reading));
    reading = percentDecode(reading);
  }
  readings.delete(path);
  return [...readings];
}
