/**
 * What the Secrets of xDS certificates ought to be, given what they are. Nothing is remembered elsewhere, so a crash
 * between two writes is continued by whoever leads next. An authority is renewed in three steps: its successor is
 * trusted everywhere, then it signs, and when the last leaf of the old one has expired that is trusted no longer.
 */
import { X509Certificate } from 'node:crypto';
import { Redacted } from '../lib/redacted.js';
import { issueAuthority, issueLeaf, type KeyPair } from './issue.js';
import { isDue, leafFault, readAuthority, readTrusted, type SecretData } from './read.js';
import { PURPOSES, ROLES, type Part, type Role } from './roles.js';

/** What of a Secret is ours. */
export interface CertificateSecret {
  readonly data: SecretData;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A part that is not there has no Secret. */
export type CertificateSecrets = Readonly<Partial<Record<Part, CertificateSecret>>>;

/** Names of each certificate; a role that is left out gets none and is not waited for. */
export type CertificateNames = Readonly<Partial<Record<Role, readonly string[]>>>;

export interface Lifetimes {
  readonly authorityMs: number;
  readonly leafMs: number;
  /** A new authority signs only after all Secrets have held it for so long: what pods have mounted is older. */
  readonly trustDelayMs: number;
}

const DAY_MS = 24 * 60 * 60_000;

/** The kubelet brings a changed Secret to its pods within two minutes, if it can ask the API server. */
export const LIFETIMES: Lifetimes = { authorityMs: 3652 * DAY_MS, leafMs: 90 * DAY_MS, trustDelayMs: 10 * 60_000 };

export interface PlanOptions {
  readonly names: CertificateNames;
  readonly lifetimes?: Lifetimes;
}

export interface Change {
  readonly part: Part;
  readonly content: CertificateSecret;
  /** A clause that follows the name of the Secret. Holds no datum. */
  readonly reason: string;
  /** The old authority could not be used: nobody trusts anybody until the new Secrets are mounted everywhere. */
  readonly breaksTrust: boolean;
}

/** When all Secrets were first seen to trust the next authority. */
const NEXT_TRUSTED = 'countersign.dev/next-trusted-time';
/** When the last leaf of the previous authority has expired. */
const PREVIOUS_END = 'countersign.dev/previous-end-time';

interface Authority {
  readonly current: KeyPair;
  readonly next?: KeyPair | undefined;
  readonly nextTrustedMs?: number | undefined;
  /** A certificate; its key is gone. */
  readonly previous?: string | undefined;
  readonly previousEndMs?: number | undefined;
}

/**
 * What has to be written, in this order: if the authority cannot be written, nothing that it signed may be.
 * No change means that all is well until time passes.
 */
export async function planCertificates(
  present: CertificateSecrets,
  nowMs: number,
  { names, lifetimes = LIFETIMES }: PlanOptions,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  const { authority, reason, breaksTrust = false } = await nextAuthority(present, nowMs, names, lifetimes);
  const trust = [authority.current.certificate, authority.next?.certificate, authority.previous].join('');
  const content = authoritySecret(authority, trust);
  if (present.ca === undefined || !isSame(present.ca, content))
    changes.push({ part: 'ca', content, reason: reason ?? 'was changed by somebody', breaksTrust });

  for (const role of ROLES) {
    const wanted = names[role];
    if (wanted === undefined) continue;
    const data = present[role]?.data;
    const purposes = PURPOSES[role];
    const fault = data
      ? leafFault(data, nowMs, { authority: authority.current, names: wanted, purposes })
      : 'was missing';
    const change = (leaf: SecretData, why: string): void =>
      void changes.push({
        part: role,
        content: { data: { ...leaf, 'ca.crt': new Redacted(trust) }, annotations: {} },
        reason: why,
        breaksTrust: false,
      });
    if (fault !== undefined || data === undefined) {
      const request = { subject: `countersign ${role}`, names: wanted, purposes, lifetimeMs: lifetimes.leafMs };
      change(pairData(await issueLeaf(authority.current, nowMs, request), 'tls'), fault ?? 'was missing');
    } else if (data['ca.crt']?.reveal() !== trust) {
      change(
        { 'tls.crt': data['tls.crt'], 'tls.key': data['tls.key'] } as SecretData,
        'has other authorities in ca.crt',
      );
    }
  }
  return changes;
}

interface NextAuthority {
  readonly authority: Authority;
  readonly reason?: string;
  readonly breaksTrust?: boolean;
}

async function nextAuthority(
  present: CertificateSecrets,
  nowMs: number,
  names: CertificateNames,
  lifetimes: Lifetimes,
): Promise<NextAuthority> {
  const data = present.ca?.data ?? {};
  const read = readAuthority(data, 'tls.crt', 'tls.key', nowMs);
  if ('fault' in read) {
    const current = await issueAuthority(nowMs, lifetimes.authorityMs);
    // Not what was trusted before, either: to delete the authority is how one ends trust in it.
    return {
      authority: { current },
      reason: present.ca ? read.fault : 'was missing',
      breaksTrust: Object.keys(present).length > 0,
    };
  }
  const kept = keptPrevious(present, nowMs, lifetimes);
  const authority: Authority = { current: read.value, ...kept.previous };
  const next = readAuthority(data, 'next.crt', 'next.key', nowMs);
  if ('fault' in next) {
    const torso = 'next.crt' in data || 'next.key' in data;
    // One at a time: three authorities would have to be told apart in every Secret.
    if (authority.previous !== undefined || !isDue(new X509Certificate(read.value.certificate), nowMs))
      return { authority, ...because(torso ? next.fault : kept.reason) };
    return {
      authority: { ...authority, next: await issueAuthority(nowMs, lifetimes.authorityMs) },
      reason: torso ? next.fault : 'is due for renewal: its successor will be trusted first',
    };
  }
  const trustedMs = trustedSince(present, names, nowMs);
  if (trustedMs === undefined || nowMs - trustedMs < lifetimes.trustDelayMs)
    return {
      authority: { ...authority, next: next.value, nextTrustedMs: trustedMs },
      ...because(trustedMs === nowMs ? 'has a successor that all Secrets trust now' : undefined),
    };
  return {
    authority: {
      current: next.value,
      previous: read.value.certificate,
      previousEndMs: nowMs + lifetimes.leafMs,
    },
    reason: 'is renewed: its successor signs from now on',
  };
}

/** The previous authority, while leaves of it may be about. */
function keptPrevious(
  { ca }: CertificateSecrets,
  nowMs: number,
  { leafMs }: Lifetimes,
): { readonly previous?: Pick<Authority, 'previous' | 'previousEndMs'>; readonly reason?: string } {
  if (ca?.data['previous.crt'] === undefined) return {};
  const read = readTrusted(ca.data, 'previous.crt');
  if ('fault' in read) return { reason: read.fault };
  const latestMs = nowMs + leafMs;
  const previousEndMs = Math.min(timeOf(ca, PREVIOUS_END) ?? latestMs, latestMs);
  if (nowMs >= previousEndMs) return { reason: 'no longer trusts its predecessor, whose leaves have expired' };
  return { previous: { previous: read.value, previousEndMs } };
}

/** Since when all leaves have held the next authority, as seen; `undefined` while one does not. */
function trustedSince(present: CertificateSecrets, names: CertificateNames, nowMs: number): number | undefined {
  const trust = present.ca?.data['ca.crt']?.reveal();
  const next = present.ca?.data['next.crt']?.reveal();
  if (trust === undefined || next === undefined || !trust.includes(next)) return undefined;
  const holds = (role: Role): boolean => present[role]?.data['ca.crt']?.reveal() === trust;
  if (!ROLES.every((role) => names[role] === undefined || holds(role))) return undefined;
  const sinceMs = present.ca && timeOf(present.ca, NEXT_TRUSTED);
  return sinceMs === undefined || sinceMs > nowMs ? nowMs : sinceMs;
}

function authoritySecret(
  { current, next, nextTrustedMs, previous, previousEndMs }: Authority,
  trust: string,
): CertificateSecret {
  const time = (name: string, ms: number | undefined) =>
    ms === undefined ? {} : { [name]: new Date(ms).toISOString() };
  return {
    data: {
      ...pairData(current, 'tls'),
      'ca.crt': new Redacted(trust),
      ...(next && pairData(next, 'next')),
      ...(previous !== undefined && { 'previous.crt': new Redacted(previous) }),
    },
    annotations: { ...time(NEXT_TRUSTED, nextTrustedMs), ...time(PREVIOUS_END, previousEndMs) },
  };
}

const pairData = ({ certificate, privateKey }: KeyPair, name: string): SecretData => ({
  [`${name}.crt`]: new Redacted(certificate),
  [`${name}.key`]: privateKey,
});

const because = (reason: string | undefined) => (reason === undefined ? {} : { reason });

function timeOf({ annotations }: CertificateSecret, name: string): number | undefined {
  const ms = Date.parse(annotations[name] ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/** Annotations of others are not looked at; data of others go. */
function isSame(present: CertificateSecret, wanted: CertificateSecret): boolean {
  const names = Object.keys(wanted.data);
  return (
    names.length === Object.keys(present.data).length &&
    names.every((name) => present.data[name]?.reveal() === wanted.data[name]?.reveal()) &&
    [NEXT_TRUSTED, PREVIOUS_END].every((name) => present.annotations[name] === wanted.annotations[name])
  );
}
