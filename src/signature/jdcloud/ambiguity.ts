/**
 * Requests that two client families sign alike although they differ: whoever saw one signature could send the other
 * request. One of the two is refused wherever both profiles are on. Specs: JD Cloud §5.4. Pairs of profiles:
 *
 * - doc, node, java, go × apim-python, path: `/a%2520b` and `/a%20b`; the first is refused. Where a twin would need
 *   `%2F`, `%5C` or `%00` the gateway's guard refuses it, so `/a%252Fb` stays. A literal reserved byte and its escape
 *   (`/vm:stop`, `/vm%3Astop`) are one path by the documented form, "URI-encoded", as in version 3; but not `;` and
 *   `+`, which servers read unlike `%3B` and `%2B`: apim-python may not have them.
 * - as-received × UTF-8 header bytes: `\xc3\xa9` and `\xe9`; the first is refused. Text beyond U+00FF has no twin.
 * - node: U+00A0 signs as a space, and is refused.
 * - Query: every profile signs a permutation of the pairs, or the wire text itself (go), and two texts that are
 *   equal hold the same decoded pairs. What apim-python and python3 leave out is refused (`uncovered_query`).
 * - Version 2 × 3: the versions' names are in the key and in the string to sign.
 */
import type { Refusal, WireRequest } from '../dialect.js';
import { refusalsOf } from '../refusal.js';
import { hasNestedEscape, isUtf8OfLatin1 } from '../wire.js';
import type { JdcloudCredential } from './credential.js';

const refuse = refusalsOf('JDCloud');

/** What of a profile decides. */
interface Reading {
  readonly name: string;
  readonly asUtf8: boolean;
  readonly encodesWirePath?: true;
}

/** Why a match under this profile may belong to another request, if it may. */
export function ambiguityOf(
  profile: Reading,
  credential: JdcloudCredential,
  request: WireRequest,
  path: string,
): Refusal | undefined {
  if (credential.version === 2 && isAmbiguousPath(profile, path)) {
    return refuse('ambiguous_path', `under profile ${profile.name} this path signs like another one`);
  }
  for (const [name, value] of request.headers) {
    if (isAmbiguousValue(profile, value) && credential.signedHeaders.includes(name)) {
      return refuse('ambiguous_signature', `header ${name} signs like another value`, name);
    }
  }
  return undefined;
}

const isAmbiguousPath = (profile: Reading, path: string): boolean =>
  profile.encodesWirePath ? path.includes(';') || path.includes('+') : hasNestedEscape(path);

const isAmbiguousValue = (profile: Reading, value: string): boolean =>
  profile.asUtf8 ? profile.name === 'node' && value.includes('\u00a0') : isUtf8OfLatin1(value);
