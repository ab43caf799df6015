/** Fields of `ApiGroup.spec.verification` as a user writes them, checked and with defaults. */
import type { ApiGroupVerification } from '../../api/types.js';
import { AppError } from '../../lib/errors.js';
import type { VerificationOptions } from '../../signature/dialect.js';
import { mergeVerification } from '../../translate/groups/settings.js';

const WORDS: Readonly<Record<string, readonly string[]>> = {
  dialects: ['JDCloud', 'Huawei', 'Tencent', 'TencentApplication'],
  compatibility: ['Vendor', 'Strict', 'Lenient'],
  algorithms: ['HMACSHA1', 'HMACSHA256', 'HMACSHA384', 'HMACSHA512'],
  dateOnly: ['Checked', 'Allow', 'Deny'],
  body: ['Declared', 'Signed', 'Streamed'],
  replayProtection: ['Nonce', 'Signature', 'Disabled'],
  replayStoreFailure: ['LocalFallback', 'Deny'],
};
const LISTS = new Set(['dialects', 'algorithms', 'requiredSignedHeaders']);
const TEXTS: Readonly<Record<string, RegExp>> = {
  maxClockSkew: /^\d+(ms|s|m|h)$/,
  maxBodySize: /^\d+(Ki|Mi)?$/,
  requiredSignedHeaders: /^[!-~]+$/,
};

/** @throws AppError `ERR_OPTIONS` naming the first bad field. */
export function readVerification(fields: Readonly<Record<string, unknown>>): VerificationOptions {
  const refuse = (name: string, message: string): never => {
    throw new AppError('ERR_OPTIONS', `verification.${name} ${message}`);
  };
  for (const [name, value] of Object.entries(fields)) {
    const words = Object.hasOwn(WORDS, name) ? WORDS[name] : undefined;
    const pattern = Object.hasOwn(TEXTS, name) ? TEXTS[name] : undefined;
    if (!words && !pattern) refuse(name, 'does not exist');
    if (Array.isArray(value) !== LISTS.has(name)) refuse(name, LISTS.has(name) ? 'must be a list' : 'must be text');
    for (const item of LISTS.has(name) ? (value as unknown[]) : [value]) {
      if (typeof item !== 'string' || !(words?.includes(item) ?? pattern?.test(item))) {
        refuse(name, words ? `must be one of ${words.join(', ')}` : 'has a bad form');
      }
    }
  }
  return mergeVerification(fields as unknown as ApiGroupVerification);
}
