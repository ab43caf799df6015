/**
 * Keys without `secretRef`: their Secret is generated. Pure: what is due and what its data shall be, with
 * randomness passed in; the edge (state folder, API server) writes it. The Secret is the truth: nothing else
 * remembers an id, a secret or a generation.
 */
import { KEY_SECRET_TYPE, type SignatureKey } from '../../api/types.js';
import { durationMs } from '../../api/units.js';
import { Redacted } from '../../lib/redacted.js';
import { hexHash } from '../../lib/stable-hash.js';
import type { ResourceKey } from '../../model/model.js';
import type { SecretResource } from '../../resources/core-resources.js';
import { keyOf, resourceKey, type ResourceSet } from '../../resources/resource-set.js';
import { StandInSecret } from '../../resources/stand-in-secret.js';

const DEFAULT_GRACE_MS = 72 * 3_600_000;
/** Kubernetes bounds names to 253 characters. */
const MAX_NAME_LENGTH = 253;
const SUFFIX = '-signature-key';

/** Name of the Secret that belongs to a key without `secretRef`, in the key's namespace. */
export function generatedSecretName(keyName: string): string {
  const name = keyName + SUFFIX;
  return name.length <= MAX_NAME_LENGTH
    ? name
    : `${keyName.slice(0, MAX_NAME_LENGTH - SUFFIX.length - 17)}-${hexHash(keyName, 16)}${SUFFIX}`;
}

/** The Secret a key reads: its own or the generated one. */
export const secretNameOf = (key: SignatureKey): string =>
  key.spec.secretRef?.name ?? generatedSecretName(key.metadata.name);

export interface GeneratedKeyRequest {
  /** `namespace/name` of the SignatureKey, the owner of the Secret. */
  readonly key: ResourceKey;
  readonly namespace: string;
  readonly secretName: string;
  readonly kind: 'create' | 'rotate';
  /** Datum `generation` that the Secret shall have. */
  readonly generation: number;
  /** How long the present secret stays good; `rotate` only. */
  readonly graceMs: number;
  readonly format: 'Id' | 'AES128CFB' | 'AES256CFB';
}

/**
 * Secrets that are missing or older than `rotation.generation`. A Secret of another type or half written is never
 * overwritten: that would destroy what an operator put there; it is a problem of the key instead.
 */
export function generatedKeyRequests(resources: ResourceSet): GeneratedKeyRequest[] {
  const requests: GeneratedKeyRequest[] = [];
  for (const key of resources.SignatureKey.values()) {
    const request = requestFor(key, resources);
    if (request) requests.push(request);
  }
  return requests;
}

function requestFor(key: SignatureKey, resources: ResourceSet): GeneratedKeyRequest | undefined {
  if (key.spec.secretRef) return undefined;
  const { namespace } = key.metadata;
  const secretName = secretNameOf(key);
  const secret = resources.Secret.get(resourceKey(namespace, secretName));
  const wanted = key.spec.rotation?.generation ?? 1;
  if (secret && (secret.type !== KEY_SECRET_TYPE || !secret.text('keyId') || !secret.text('secret'))) return undefined;
  const present = secret && Number(secret.text('generation') ?? 1);
  if (present !== undefined && !(present < wanted)) return undefined;
  return {
    key: keyOf(key),
    namespace,
    secretName,
    kind: secret ? 'rotate' : 'create',
    generation: wanted,
    graceMs: key.spec.rotation ? durationMs(key.spec.rotation.gracePeriod) : DEFAULT_GRACE_MS,
    format: key.spec.aes?.algorithm ?? 'Id',
  };
}

/** @returns that many cryptographically random bytes, e.g. `crypto.randomBytes`. */
export type RandomBytes = (count: number) => Uint8Array;

/** Data of a Secret of our type, ready to be written; only the writer reveals them. */
export type KeySecretData = Readonly<Record<string, Redacted<string>>>;

/**
 * Data for a request. `create`: id `AK` and 18 of `A-Z2-7` (90 bits), made of `idSeed` and the key's name; secret 32 letters and digits (190 bits): inside
 * every vendor's limits (specs/huawei.md §1). AES: the cipher key of 16 or 32 and a vector of 16 characters.
 * `rotate`: a new secret (AES: vector) under the same id, the present one becomes `previousSecret`.
 * @param present the Secret to rotate.
 */
export function generateKeyData(
  request: GeneratedKeyRequest,
  present: SecretResource | undefined,
  nowMs: number,
  random: RandomBytes,
): KeySecretData {
  const aes = request.format !== 'Id';
  const fresh = randomText(ALPHANUMERIC, aes ? 16 : 32, random);
  const { keyId, idSeed } = idOf(request, present, random);
  const data: Record<string, string> = { keyId, secret: fresh, generation: String(request.generation) };
  if (idSeed !== undefined) data['idSeed'] = idSeed;
  const previous = present?.text('secret');
  if (request.kind === 'rotate' && previous !== undefined && request.graceMs > 0) {
    data['previousSecret'] = previous;
    data['previousNotAfter'] = new Date(nowMs + request.graceMs).toISOString();
  }
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, new Redacted(value)]));
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function idOf(
  { key, format }: GeneratedKeyRequest,
  present: SecretResource | undefined,
  random: RandomBytes,
): { readonly keyId: string; readonly idSeed?: string | undefined } {
  const keyId = present?.text('keyId');
  if (keyId !== undefined) return { keyId, idSeed: present?.text('idSeed') };
  if (format !== 'Id') return { keyId: randomText(ALPHANUMERIC, format === 'AES256CFB' ? 32 : 16, random) };
  const idSeed = randomText(ALPHANUMERIC, 32, random);
  return { keyId: seededKeyId(key, idSeed), idSeed };
}

/** `AK` and 90 bits: to find a seed that gives a certain id is as hard as to guess the id. */
function seededKeyId(key: ResourceKey, idSeed: string): string {
  const digest = BigInt(`0x${hexHash(`countersign key id\n${key}\n${idSeed}`)}`);
  return `AK${Array.from({ length: 18 }, (_, i) => BASE32.charAt(Number((digest >> BigInt(5 * i)) & 31n))).join('')}`;
}

/**
 * Whether the id in a generated Secret is the one that was made for this key. Whoever owns a key can edit its Secret:
 * with the id of another tenant in it an old key would go before the other's, or come after it when that is deleted.
 * A stand-in has the id of the key's status, which the controller has judged.
 */
export function isOwnId(key: ResourceKey, secret: SecretResource): boolean {
  if (secret instanceof StandInSecret) return true;
  const idSeed = secret.text('idSeed');
  return idSeed !== undefined && secret.text('keyId') === seededKeyId(key, idSeed);
}

/** Every character equally likely: bytes beyond the last whole multiple of the alphabet are thrown away. */
function randomText(alphabet: string, length: number, random: RandomBytes): string {
  const limit = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random(length))
      if (byte < limit && text.length < length) text += alphabet.charAt(byte % alphabet.length);
  }
  return text;
}

/**
 * Id of a pair that is handed to API providers. Derived from the key id, so that it needs no store, survives
 * restarts and is as random as the id; knowing it grants nothing, the key's owner must admit the asker.
 */
export const derivedPairId = (keyId: string): string => `pair-${hexHash(`countersign pair id\n${keyId}`, 20)}`;
