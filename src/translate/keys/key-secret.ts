/**
 * Reads the Secret of a SignatureKey and judges whether the key can use it; issue texts never show a datum.
 * Imported ids and secrets are judged loosely (clients already use them), generated ones and AES by the vendors'
 * tables: specs/huawei.md §1 "Limits of signature keys".
 */
import type { Reason } from '../../api/conditions.js';
import { KEY_SECRET_TYPE, type SignatureKey } from '../../api/types.js';
import { Redacted } from '../../lib/redacted.js';
import type { BackendKeyMaterial, KeySecret } from '../../model/model.js';
import type { SecretResource } from '../../resources/core-resources.js';

export interface KeyMaterial extends BackendKeyMaterial {
  /** The id as text, for status and lookups; `undefined` on AES keys, where it is the cipher key. */
  readonly publicKeyId: string | undefined;
  /** Datum `generation`; 1 where it is absent. */
  readonly generation: number;
}

export interface SecretFault {
  readonly reason: Reason;
  readonly message: string;
}

export interface ReadSecret {
  /** `undefined` when the key cannot be used. */
  readonly material: KeyMaterial | undefined;
  /** A fault beside a usable material is about the previous secret, which then does not verify. */
  readonly fault: SecretFault | undefined;
}

export const unusable = (reason: Reason, message: string): ReadSecret => ({
  material: undefined,
  fault: { reason, message },
});

/**
 * @param absence what is told when the key names a Secret that is not there.
 * @param nowMs a previous secret whose grace has ended is left out.
 */
export function readKeySecret(
  key: SignatureKey,
  secretName: string,
  secret: SecretResource | undefined,
  absence: string,
  nowMs: number,
): ReadSecret {
  const generated = key.spec.secretRef === undefined;
  if (!secret) {
    return generated
      ? unusable('SecretNotReady', `Secret ${secretName} is not generated yet`)
      : unusable('SecretNotFound', `Secret ${secretName} ${absence}`);
  }
  if (secret.type !== KEY_SECRET_TYPE)
    return unusable(
      'InvalidSecret',
      generated
        ? `Secret ${secretName}, which this key would be generated into, is there and has another type; it is not overwritten`
        : `Secret ${secretName} must have the type ${KEY_SECRET_TYPE}`,
    );
  const keyId = secret.text('keyId');
  const value = secret.text('secret');
  if (!keyId) return unusable('InvalidSecret', `Secret ${secretName} has no datum keyId`);
  if (!value) return unusable('InvalidSecret', `Secret ${secretName} has no datum secret`);
  if (key.spec.keyID !== undefined && key.spec.keyID !== keyId)
    return unusable('InvalidSecret', `datum keyId of Secret ${secretName} differs from spec.keyID`);
  const rules = rulesFor(key.spec, generated);
  const wrong = misfit('keyId', keyId, rules.keyId) ?? misfit('secret', value, rules.secret);
  if (wrong) return unusable('InvalidSecret', `Secret ${secretName}: ${wrong}`);

  const generation = Number(secret.text('generation') ?? 1);
  if (!Number.isSafeInteger(generation) || generation < 0)
    return unusable('InvalidSecret', `datum generation of Secret ${secretName} must be a whole number`);
  const { previous, fault } = readPrevious(secret, secretName, rules.secret, nowMs);
  return {
    material: {
      keyId: new Redacted(keyId),
      secret: new Redacted(value),
      previous,
      publicKeyId: key.spec.type === 'AES' ? undefined : keyId,
      generation,
    },
    fault,
  };
}

function readPrevious(
  secret: SecretResource,
  secretName: string,
  rule: Rule,
  nowMs: number,
): { readonly previous: KeySecret | undefined; readonly fault: SecretFault | undefined } {
  const broken = (message: string): { previous: undefined; fault: SecretFault } => ({
    previous: undefined,
    fault: { reason: 'InvalidSecret', message: `Secret ${secretName}: ${message}; the previous secret is not used` },
  });
  if (!secret.has('previousSecret') && !secret.has('previousNotAfter'))
    return { previous: undefined, fault: undefined };
  const value = secret.text('previousSecret');
  const notAfter = secret.text('previousNotAfter');
  if (!value || !notAfter) return broken('previousSecret and previousNotAfter belong together');
  const notAfterMs = parseTimeMs(notAfter);
  if (notAfterMs === undefined) return broken('previousNotAfter must be a time such as 2027-01-01T00:00:00Z');
  const wrong = misfit('previousSecret', value, rule);
  if (wrong) return broken(wrong);
  if (!(nowMs < notAfterMs)) return { previous: undefined, fault: undefined };
  return { previous: { secret: new Redacted(value), notAfterMs }, fault: undefined };
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** RFC 3339 to ms since the epoch; `undefined` for anything else, 31 February included. */
export function parseTimeMs(text: string): number | undefined {
  if (!TIME.test(text)) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  // Date.parse rolls 31 February over into March: the day must come back as it went in.
  const day = Number(text.slice(8, 10));
  return new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)) - 1, day)).getUTCDate() === day
    ? ms
    : undefined;
}

interface Rule {
  readonly min: number;
  readonly max: number;
  readonly alphabet: RegExp;
  readonly says: string;
}

// No control characters: a line break at the end of a datum is nearly always an accident of `echo`.
const LOOSE_ID: Rule = { min: 1, max: 200, alphabet: /^[!-~]+$/, says: 'printable ASCII without spaces' };
const LOOSE_BASIC_ID: Rule = {
  ...LOOSE_ID,
  alphabet: /^[!-9;-~]+$/,
  says: 'printable ASCII without spaces and colons (RFC 7617)',
};
const LOOSE_SECRET: Rule = {
  min: 10,
  max: 4096,
  alphabet: /^[^\p{Cc}]+$/u,
  says: 'text without line breaks and control characters',
};
const VENDOR_SECRET = /^[A-Za-z0-9][A-Za-z0-9_\-!@#$%]*$/;
const VENDOR_SECRET_SAYS = 'letters, digits and _-!@#$%, starting with a letter or digit';

/** AES takes its data as bytes: any other length than the cipher's would throw at request time. */
const aesBytes = (length: number): Rule => ({
  min: length,
  max: length,
  alphabet: /^[!-~]+$/,
  says: 'printable ASCII without spaces',
});

function rulesFor(spec: SignatureKey['spec'], generated: boolean): { readonly keyId: Rule; readonly secret: Rule } {
  if (spec.type === 'AES')
    return { keyId: aesBytes(spec.aes?.algorithm === 'AES256CFB' ? 32 : 16), secret: aesBytes(16) };
  if (!generated) return { keyId: spec.type === 'Basic' ? LOOSE_BASIC_ID : LOOSE_ID, secret: LOOSE_SECRET };
  return spec.type === 'Basic'
    ? {
        keyId: {
          min: 4,
          max: 32,
          alphabet: /^[A-Za-z][A-Za-z0-9_-]*$/,
          says: 'letters, digits, _ and -, starting with a letter',
        },
        secret: { min: 8, max: 64, alphabet: VENDOR_SECRET, says: VENDOR_SECRET_SAYS },
      }
    : {
        keyId: {
          min: 8,
          max: 32,
          alphabet: /^[A-Za-z0-9][A-Za-z0-9_-]*$/,
          says: 'letters, digits, _ and -, starting with a letter or digit',
        },
        secret: { min: 16, max: 64, alphabet: VENDOR_SECRET, says: VENDOR_SECRET_SAYS },
      };
}

function misfit(name: string, value: string, rule: Rule): string | undefined {
  if (value.length < rule.min || value.length > rule.max) {
    const length = rule.min === rule.max ? `exactly ${rule.min}` : `${rule.min} to ${rule.max}`;
    return `datum ${name} must have ${length} characters`;
  }
  return rule.alphabet.test(value) ? undefined : `datum ${name} must be ${rule.says}`;
}
