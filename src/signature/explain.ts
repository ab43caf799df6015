/** Why a request verifies or not: the verdict, every form the gateway computed, and where the caller's own text differs. */
import type {
  Credential,
  KeyLookup,
  Refusal,
  Verification,
  VerificationContext,
  VerificationOptions,
  WireRequest,
} from './dialect.js';
import { isHmac } from './hmac.js';
import { readCredential, verifyRequest } from './verify.js';

/** One form that the gateway tried, or would have tried had the request come so far. */
export interface Attempt {
  readonly profile: string;
  readonly canonicalRequest?: string;
  readonly stringToSign: string;
  /** The MAC equals under the key's current or previous secret. */
  readonly matches: boolean;
  /** What refuses a match under this profile. */
  readonly refuse?: Refusal;
}

/** The first place where two texts part. Lines and columns count from 1. */
export interface Difference {
  readonly line: number;
  readonly column: number;
  /** That line of each text; `undefined` where a text has ended. */
  readonly gateway: string | undefined;
  readonly caller: string | undefined;
  /** Spaces and one `^` under the first differing character. */
  readonly marker: string;
}

export interface Comparison {
  /** The attempt that agrees with the caller's text for longest. */
  readonly profile: string;
  /** `undefined`: the texts are equal. */
  readonly difference: Difference | undefined;
}

/** Texts that the caller computed itself, latin1 as in the attempts. */
export interface CallerTexts {
  readonly canonicalRequest?: string;
  readonly stringToSign?: string;
}

export interface Explanation {
  readonly verdict: Verification;
  /** What the request says of itself, if it can be read. */
  readonly credential?: Pick<Credential, 'keyId' | 'timestampMs' | 'unsignedTimestampMs'>;
  readonly attempts: readonly Attempt[];
  readonly canonicalRequest?: Comparison;
  readonly stringToSign?: Comparison;
}

/**
 * Explains with the key at hand. Unlike `verifyRequest` it tries every profile and goes on after a match, and the
 * attempts say whether the signature was right even where time or policy refuse: for the holder of the key only.
 */
export function explainRequest(
  request: WireRequest,
  options: VerificationOptions,
  context: VerificationContext,
  keys: KeyLookup,
  nowMs: number,
  caller: CallerTexts = {},
): Explanation {
  const verdict = verifyRequest(request, options, context, keys, nowMs);
  const attempts = attemptsOf(request, options, context, keys);
  const canonicalRequest = compareTexts(attempts, caller.canonicalRequest, (attempt) => attempt.canonicalRequest);
  const stringToSign = compareTexts(attempts, caller.stringToSign, (attempt) => attempt.stringToSign);
  const read = readCredential(request, options);
  return {
    verdict,
    ...(read.ok ? { credential: shown(read.value.credential) } : {}),
    attempts,
    ...(canonicalRequest ? { canonicalRequest } : {}),
    ...(stringToSign ? { stringToSign } : {}),
  };
}

const shown = ({ keyId, timestampMs, unsignedTimestampMs }: Credential): Explanation['credential'] & object => ({
  keyId,
  timestampMs,
  unsignedTimestampMs,
});

function attemptsOf(
  request: WireRequest,
  options: VerificationOptions,
  context: VerificationContext,
  keys: KeyLookup,
): Attempt[] {
  const read = readCredential(request, options);
  if (!read.ok) return [];
  const { dialect, credential } = read.value;
  const secrets = (keys(credential.keyId)?.secrets ?? []).map(({ secret }) => secret.reveal());
  const macKeys = secrets.map((secret) => dialect.macKey(credential, secret));
  const attempts: Attempt[] = [];
  for (const { profile, canonicalRequest, stringToSign, refuse } of dialect.candidates(
    credential,
    request,
    options,
    context,
  )) {
    attempts.push({
      profile,
      ...(canonicalRequest === undefined ? {} : { canonicalRequest }),
      stringToSign,
      matches: macKeys.some((macKey) => isHmac(credential.hash, macKey, stringToSign, credential.mac)),
      ...(refuse ? { refuse } : {}),
    });
  }
  return attempts;
}

function compareTexts(
  attempts: readonly Attempt[],
  callerText: string | undefined,
  textOf: (attempt: Attempt) => string | undefined,
): Comparison | undefined {
  if (callerText === undefined) return undefined;
  // A file that holds the text usually ends in a line feed that is not part of it.
  const caller = callerText.endsWith('\n') ? callerText.slice(0, -1) : callerText;
  let best: { readonly profile: string; readonly text: string; readonly shared: number } | undefined;
  for (const attempt of attempts) {
    const text = textOf(attempt);
    if (text === undefined) continue;
    const shared = sharedLength(text, caller);
    // A text that is equal to its end beats one that merely goes on from there.
    if (!best || shared > best.shared || (text === caller && best.text !== caller)) {
      best = { profile: attempt.profile, text, shared };
    }
  }
  return best && { profile: best.profile, difference: firstDifference(best.text, caller) };
}

function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}

/** Where two texts part, or `undefined` if they are equal. */
export function firstDifference(gateway: string, caller: string): Difference | undefined {
  if (gateway === caller) return undefined;
  const offset = sharedLength(gateway, caller);
  const lineStart = gateway.lastIndexOf('\n', offset - 1) + 1;
  const start = offset === 0 ? 0 : lineStart;
  const column = offset - start + 1;
  return {
    line: gateway.slice(0, start).split('\n').length,
    column,
    gateway: lineAt(gateway, start),
    caller: lineAt(caller, start),
    marker: `${' '.repeat(column - 1)}^`,
  };
}

function lineAt(text: string, start: number): string | undefined {
  if (start > text.length) return undefined;
  const end = text.indexOf('\n', start);
  return end < 0 ? text.slice(start) : text.slice(start, end);
}
