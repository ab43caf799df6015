import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import {
  LIFETIMES,
  planCertificates,
  type CertificateNames,
  type CertificateSecret,
  type CertificateSecrets,
  type Change,
  type Lifetimes,
} from '../../../src/certificates/plan.js';
import { ROLES, type Part, type Role } from '../../../src/certificates/roles.js';
import { Redacted } from '../../../src/lib/redacted.js';
import { createAuthority, selfSigned } from '../../support/certificate.js';
import { must } from '../../support/must.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NAMES: Record<Role, readonly string[]> = {
  controller: ['countersign-controller'],
  envoy: ['countersign-envoy'],
  authorizer: ['countersign-authorizer', 'spiffe://cluster.local/authorizer'],
};
const START = Date.UTC(2026, 0, 1);

const plan = (
  secrets: CertificateSecrets,
  nowMs: number,
  lifetimes: Lifetimes = LIFETIMES,
  names: CertificateNames = NAMES,
): Promise<readonly Change[]> => planCertificates(secrets, nowMs, { names, lifetimes });

const apply = (secrets: CertificateSecrets, changes: readonly Change[]): CertificateSecrets => ({
  ...secrets,
  ...Object.fromEntries(changes.map(({ part, content }) => [part, content])),
});
const made = async (nowMs = START, lifetimes?: Lifetimes): Promise<CertificateSecrets> =>
  apply({}, await plan({}, nowMs, lifetimes));

const text = (secrets: CertificateSecrets, part: Part, name: string): string =>
  must(must(secrets[part]).data[name]).reveal();
const leaf = (secrets: CertificateSecrets, part: Part): X509Certificate =>
  new X509Certificate(text(secrets, part, 'tls.crt'));
const bundle = (secret: CertificateSecret): X509Certificate[] =>
  (
    must(secret.data['ca.crt'])
      .reveal()
      .match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? []
  ).map((pem) => new X509Certificate(pem));
/** By node:crypto, not by what made the certificates: from when until when a TLS library takes `peer`. */
const spans = new WeakMap<CertificateSecret, WeakMap<CertificateSecret, readonly [fromMs: number, untilMs: number]>>();
function spanOfTrust(holder: CertificateSecret, peer: CertificateSecret): readonly [fromMs: number, untilMs: number] {
  const known = spans.get(holder) ?? new WeakMap<CertificateSecret, readonly [number, number]>();
  spans.set(holder, known);
  const found = known.get(peer);
  if (found) return found;
  const shown = new X509Certificate(must(peer.data['tls.crt']).reveal());
  const issuer = bundle(holder).find(
    (authority) => authority.ca && shown.checkIssued(authority) && shown.verify(authority.publicKey),
  );
  const span = [
    Math.max(shown.validFromDate.getTime(), issuer?.validFromDate.getTime() ?? Infinity),
    Math.min(shown.validToDate.getTime(), issuer?.validToDate.getTime() ?? -Infinity),
  ] as const;
  known.set(peer, span);
  return span;
}
function trusts(holder: CertificateSecret, peer: CertificateSecret, nowMs: number): boolean {
  const [fromMs, untilMs] = spanOfTrust(holder, peer);
  return fromMs <= nowMs && nowMs < untilMs;
}

/** `data` with one datum replaced, or removed. */
const withDatum = (secret: CertificateSecret, name: string, value: string | undefined): CertificateSecret => {
  const { [name]: _, ...rest } = secret.data;
  return { ...secret, data: value === undefined ? rest : { ...rest, [name]: new Redacted(value) } };
};
const reasons = (changes: readonly Change[]): string[] => changes.map(({ part, reason }) => `${part} ${reason}`);

describe('certificates of a first start', () => {
  test('are an authority and three leaves that fit their keys, names and purposes', async () => {
    const secrets = await made();
    const authority = leaf(secrets, 'ca');
    expect(authority).toMatchObject({ ca: true, issuer: authority.subject });
    expect(authority.validToDate.getTime() - START).toBe(3652 * DAY);
    expect(text(secrets, 'ca', 'ca.crt')).toBe(text(secrets, 'ca', 'tls.crt'));
    const purposes = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' };
    const expected = {
      controller: ['DNS:countersign-controller', [purposes.serverAuth]],
      envoy: ['DNS:countersign-envoy', [purposes.clientAuth]],
      authorizer: [
        'DNS:countersign-authorizer, URI:spiffe://cluster.local/authorizer',
        [purposes.serverAuth, purposes.clientAuth],
      ],
    } as const;
    for (const role of ROLES) {
      const certificate = leaf(secrets, role);
      expect([certificate.subjectAltName, certificate.keyUsage]).toEqual(expected[role]);
      expect(certificate.ca).toBe(false);
      expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
      expect(certificate.validFromDate.getTime()).toBe(START - 5 * MINUTE);
      expect(certificate.validToDate.getTime()).toBe(START + 90 * DAY);
    }
    for (const holder of ROLES)
      for (const peer of ROLES) expect(trusts(must(secrets[holder]), must(secrets[peer]), START)).toBe(true);
  });

  test('have serial numbers, keys and authorities that are never the same twice', async () => {
    const [one, other] = [await made(), await made()];
    const all = [one, other].flatMap((secrets) => (['ca', ...ROLES] as const).map((part) => leaf(secrets, part)));
    expect(new Set(all.map(({ serialNumber }) => serialNumber)).size).toBe(8);
    for (const { serialNumber } of all) expect(serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(leaf(one, 'ca').subject).not.toBe(leaf(other, 'ca').subject);
    expect(new Set(all.map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }))).size).toBe(8);
  });

  test('leave the key of the authority in its own Secret and print none', async () => {
    const changes = await plan({}, START);
    const secrets = apply({}, changes);
    for (const role of ROLES)
      expect(Object.keys(must(secrets[role]).data).sort()).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
    expect(JSON.stringify(changes) + inspect(changes, { depth: 9 })).not.toMatch(/BEGIN|PRIVATE/);
  });

  test('need nothing more once they are stored', async () => {
    const secrets = await made();
    for (const atMs of [START, START + MINUTE, START + 59 * DAY]) expect(await plan(secrets, atMs)).toEqual([]);
  });

  test.each(['a b', 'a,DNS:b', 'a"b', 'ü', ''])('are not made for the name %j', async (name) => {
    await expect(plan({}, START, LIFETIMES, { ...NAMES, envoy: [name] })).rejects.toMatchObject({
      code: 'ERR_CERTIFICATE_NAME',
    });
  });
});

describe('a leaf', () => {
  test('is renewed after two thirds of its life, with a new key, by the same authority', async () => {
    const secrets = await made();
    const lifeMs = 90 * DAY + 5 * MINUTE;
    const dueMs = START - 5 * MINUTE + (lifeMs * 2) / 3;
    expect(await plan(secrets, dueMs - 1)).toEqual([]);
    const changes = await plan(secrets, dueMs);
    expect(reasons(changes)).toEqual(ROLES.map((role) => `${role} has a certificate that is due for renewal`));
    const renewed = apply(secrets, changes);
    for (const role of ROLES) {
      expect(text(renewed, role, 'tls.key')).not.toBe(text(secrets, role, 'tls.key'));
      expect(trusts(must(secrets.envoy), must(renewed[role]), dueMs)).toBe(true);
      expect(trusts(must(renewed.envoy), must(secrets[role]), dueMs)).toBe(true);
    }
  });

  test('for other names than the settings say is replaced; one that is not wanted is left alone', async () => {
    const secrets = await made();
    const names = { controller: ['xds.example'], envoy: NAMES.envoy };
    expect(reasons(await plan(secrets, START, LIFETIMES, names))).toEqual([
      'controller has a certificate for other names',
    ]);
  });

  const stranger = createAuthority();
  const cut = (pem: string): string => pem.slice(0, 200);
  test.each<[what: string, name: string, edit: (value: string, secrets: CertificateSecrets) => string | undefined]>([
    ['without a certificate', 'tls.crt', () => undefined],
    ['without a key', 'tls.key', () => undefined],
    ['with a certificate that was cut', 'tls.crt', cut],
    ['with a key that was cut', 'tls.key', cut],
    ['with an empty key', 'tls.key', () => ''],
    ['with the key of another', 'tls.key', (_, secrets) => text(secrets, 'controller', 'tls.key')],
    ['with a certificate of another role', 'tls.crt', (_, secrets) => text(secrets, 'controller', 'tls.crt')],
    ['with something added to its certificate', 'tls.crt', (value) => value + stranger.certificate],
    ['with a certificate of nobody', 'tls.crt', () => selfSigned('countersign-envoy').certificate],
    ['with megabytes', 'tls.crt', (value) => value.repeat(5000)],
  ])('%s is replaced, and nothing else is', async (_what, name, edit) => {
    const secrets = await made();
    const broken = {
      ...secrets,
      envoy: withDatum(must(secrets.envoy), name, edit(text(secrets, 'envoy', name), secrets)),
    };
    const changes = await plan(broken, START);
    expect(changes).toMatchObject([{ part: 'envoy', breaksTrust: false }]);
    const healed = apply(broken, changes);
    expect(await plan(healed, START)).toEqual([]);
    expect(trusts(must(secrets.controller), must(healed.envoy), START)).toBe(true);
  });

  test('whose authorities were edited gets them back and keeps its key', async () => {
    const secrets = await made();
    for (const edited of [
      undefined,
      '',
      stranger.certificate,
      text(secrets, 'envoy', 'ca.crt') + stranger.certificate,
    ]) {
      const broken = { ...secrets, envoy: withDatum(must(secrets.envoy), 'ca.crt', edited) };
      const changes = await plan(broken, START);
      expect(reasons(changes)).toEqual(['envoy has other authorities in ca.crt']);
      expect(text(apply(broken, changes), 'envoy', 'tls.key')).toBe(text(secrets, 'envoy', 'tls.key'));
      expect(text(apply(broken, changes), 'envoy', 'ca.crt')).toBe(text(secrets, 'envoy', 'ca.crt'));
    }
  });

  test('that has expired, or comes from a clock far ahead, is replaced', async () => {
    const secrets = await made();
    expect(reasons(await plan(secrets, START + 91 * DAY))).toContain('envoy has a tls.crt that has expired');
    const { ca } = secrets;
    const ahead = apply({ ca: must(ca) }, await plan({ ca: must(ca) }, START + DAY));
    expect(await plan(ahead, START + DAY - 30 * MINUTE)).toEqual([]);
    expect(reasons(await plan(ahead, START))).toContain('envoy has a tls.crt from the future');
  });
});

describe('an authority', () => {
  const foreign = createAuthority();
  test.each<[what: string, name: string, edit: (value: string, secrets: CertificateSecrets) => string | undefined]>([
    ['without a key', 'tls.key', () => undefined],
    ['with a key that was cut', 'tls.key', (value) => value.slice(0, 90)],
    ['with the key of another', 'tls.key', () => foreign.privateKey],
    ['with a certificate that was cut', 'tls.crt', (value) => value.slice(0, 90)],
    ['that is a leaf', 'tls.crt', (_, secrets) => text(secrets, 'envoy', 'tls.crt')],
  ])('%s is replaced with all its leaves, and this is said', async (_what, name, edit) => {
    const secrets = await made();
    const broken = { ...secrets, ca: withDatum(must(secrets.ca), name, edit(text(secrets, 'ca', name), secrets)) };
    const changes = await plan(broken, START + DAY);
    expect(changes.map(({ part, breaksTrust }) => [part, breaksTrust])).toEqual([
      ['ca', true],
      ...ROLES.map((role) => [role, false]),
    ]);
    const healed = apply(broken, changes);
    expect(await plan(healed, START + DAY)).toEqual([]);
    expect(trusts(must(healed.envoy), must(healed.controller), START + DAY)).toBe(true);
    expect(trusts(must(healed.envoy), must(secrets.controller), START + DAY)).toBe(false);
  });

  test('that was deleted, or has expired, is replaced', async () => {
    const { ca: _, ...leaves } = await made();
    expect((await plan(leaves, START))[0]).toMatchObject({ part: 'ca', reason: 'was missing', breaksTrust: true });
    expect((await plan({}, START))[0]).toMatchObject({ part: 'ca', reason: 'was missing', breaksTrust: false });
    expect((await plan(await made(), START + 3700 * DAY))[0]).toMatchObject({
      reason: 'has a tls.crt that has expired',
      breaksTrust: true,
    });
  });

  test('is kept when only what surrounds it was edited', async () => {
    const secrets = await made();
    for (const [name, value] of [
      ['ca.crt', 'nonsense'],
      ['ca.crt', undefined],
      ['next.crt', 'nonsense'],
      ['next.key', 'nonsense'],
      ['previous.crt', 'nonsense'],
      ['somebody', 'else'],
    ] as const) {
      const broken = { ...secrets, ca: withDatum(must(secrets.ca), name, value) };
      const changes = await plan(broken, START);
      expect(changes).toMatchObject([{ part: 'ca', breaksTrust: false }]);
      expect(Object.keys(must(apply(broken, changes).ca).data)).toEqual(Object.keys(must(secrets.ca).data));
      expect(text(apply(broken, changes), 'ca', 'tls.key')).toBe(text(secrets, 'ca', 'tls.key'));
    }
  });

  test('is renewed in three steps: trusted, signing, and the old one gone when its leaves have expired', async () => {
    let secrets = await made();
    const step = async (atMs: number): Promise<string[]> => {
      const changes = await plan(secrets, atMs);
      secrets = apply(secrets, changes);
      return changes.map(({ part }) => part);
    };
    const [old, authorities] = [leaf(secrets, 'ca'), () => bundle(must(secrets.envoy)).length];
    // Two thirds of ten years, on a day on which no leaf is due.
    const dueMs = START + 2435 * DAY;
    await step(dueMs - 2 * DAY);
    expect(leaf(secrets, 'ca').fingerprint256).toBe(old.fingerprint256);
    expect(await step(dueMs)).toEqual(['ca', ...ROLES]);
    expect([leaf(secrets, 'ca').fingerprint256, authorities()]).toEqual([old.fingerprint256, 2]);
    expect(leaf(secrets, 'envoy').verify(old.publicKey)).toBe(true);

    // Not from when it was made: from when all Secrets were seen to hold it.
    const seenMs = dueMs + DAY / 2;
    expect(await step(seenMs)).toEqual(['ca']);
    expect(await step(seenMs + 10 * MINUTE - 1)).toEqual([]);
    expect(await step(seenMs + 10 * MINUTE)).toEqual(['ca', ...ROLES]);
    expect(leaf(secrets, 'ca').fingerprint256).not.toBe(old.fingerprint256);
    expect(leaf(secrets, 'envoy').verify(leaf(secrets, 'ca').publicKey)).toBe(true);
    expect(authorities()).toBe(2);
    expect(Object.keys(must(secrets.ca).data).sort()).toEqual(['ca.crt', 'previous.crt', 'tls.crt', 'tls.key']);

    await step(seenMs + 60 * DAY + 10 * MINUTE);
    expect(authorities()).toBe(2);
    expect(await step(seenMs + 90 * DAY + 10 * MINUTE)).toEqual(['ca', ...ROLES]);
    expect(authorities()).toBe(1);
    expect(await step(seenMs + 91 * DAY)).toEqual([]);
  });

  test('waits anew when a Secret loses the next one, or when the time of the wait was edited', async () => {
    let secrets = await made();
    const step = async (atMs: number) => (secrets = apply(secrets, await plan(secrets, atMs)));
    const old = leaf(secrets, 'ca').fingerprint256;
    const isOld = () => leaf(secrets, 'ca').fingerprint256 === old;
    const dueMs = START + 2435 * DAY;
    await step(dueMs);
    await step(dueMs + MINUTE);
    secrets = { ...secrets, envoy: withDatum(must(secrets.envoy), 'ca.crt', 'nonsense') };
    await step(dueMs + 20 * MINUTE);
    await step(dueMs + 21 * MINUTE);
    await step(dueMs + 30 * MINUTE);
    expect(isOld()).toBe(true);
    for (const time of ['2199-01-01T00:00:00Z', 'nonsense']) {
      secrets = { ...secrets, ca: { ...must(secrets.ca), annotations: { 'countersign.dev/next-trusted-time': time } } };
      await step(dueMs + 40 * MINUTE);
      expect(isOld()).toBe(true);
    }
    await step(dueMs + 50 * MINUTE);
    expect(isOld()).toBe(false);
  });
});

describe('over the years', () => {
  /** Short lives, so that a walk of some hundred steps passes many renewals; the wait is the real one. */
  const SHORT: Lifetimes = { authorityMs: 20 * DAY, leafMs: 3 * DAY, trustDelayMs: LIFETIMES.trustDelayMs };
  const STALE_MS = 10 * MINUTE;

  interface Held {
    readonly secret: CertificateSecret;
    readonly fromMs: number;
    /** When it was replaced. */
    untilMs: number;
  }

  interface Step {
    readonly pauseMs: number;
    /** After so many writes the process is killed. */
    readonly writes: number;
  }

  /** Waits and reconciles, again and again; `next` is told the parts that the last step wrote. */
  async function walk(next: (written: readonly Part[], nowMs: number) => Step | undefined, lifetimes: Lifetimes) {
    let nowMs = START;
    let secrets = await made(nowMs, lifetimes);
    const held: Record<Role, Held[]> = { controller: [], envoy: [], authorizer: [] };
    const authorities = new Set<string>();
    const note = () => {
      authorities.add(leaf(secrets, 'ca').fingerprint256);
      for (const role of ROLES) {
        const secret = must(secrets[role]);
        const last = held[role].at(-1);
        if (last?.secret === secret) continue;
        if (last) last.untilMs = nowMs;
        held[role].push({ secret, fromMs: nowMs, untilMs: Infinity });
      }
    };
    const check = () => {
      // What a pod may have mounted: any version that was the newest at some moment of the last ten minutes.
      const mounted = ROLES.flatMap((role) => {
        held[role] = held[role].filter(({ untilMs }) => untilMs >= nowMs - STALE_MS);
        return held[role].map(({ secret }) => ({ role, secret }));
      });
      for (const holder of mounted)
        for (const peer of mounted)
          if (!trusts(holder.secret, peer.secret, nowMs))
            throw new Error(`${holder.role} does not trust ${peer.role} at ${new Date(nowMs).toISOString()}`);
    };
    note();
    let written: Part[] = [];
    for (let step = next([], nowMs); step; step = next(written, nowMs)) {
      nowMs += step.pauseMs;
      check();
      written = [];
      for (const change of (await plan(secrets, nowMs, lifetimes)).slice(0, step.writes)) {
        expect(change.breaksTrust).toBe(false);
        secrets = apply(secrets, [change]);
        written.push(change.part);
        note();
        check();
      }
    }
    return authorities.size;
  }

  test('everybody trusts everybody, with what is mounted up to ten minutes late, through crashes at any write', async () => {
    // Mostly minutes, sometimes days: less than the third of a leaf's life that remains after it is due.
    const pauseMs = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 12 * MINUTE }) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: (9 * DAY) / 10 }) },
    );
    const writes = fc.oneof(
      { weight: 2, arbitrary: fc.constant(4) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 }) },
    );
    let most = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ pauseMs, writes }), { minLength: 120, maxLength: 120 }), async (steps) => {
        const left = steps[Symbol.iterator]();
        most = Math.max(most, await walk(() => left.next().value, SHORT));
      }),
      { numRuns: 6, seed: 20260101, endOnFailure: true },
    );
    // The walks are long enough to mean something.
    expect(most).toBeGreaterThanOrEqual(2);
  }, 60_000);

  test('for fourteen years of the real lives, looked at every minute around each change of the authority', async () => {
    let closeLooks = 0;
    const next = (written: readonly Part[], nowMs: number): Step | undefined => {
      if (nowMs > START + 14 * 365 * DAY) return undefined;
      closeLooks = written.includes('ca') ? 15 : written.length > 0 ? 2 : closeLooks - 1;
      return { pauseMs: closeLooks > 0 ? MINUTE : 20 * DAY, writes: 4 };
    };
    expect(await walk(next, LIFETIMES)).toBe(3);
  }, 60_000);
});
