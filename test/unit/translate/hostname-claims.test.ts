import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type HostnameClaim,
  mayClaimHostname,
  resolveHostnameClaims,
} from '../../../src/translate/groups/hostname-claims.js';

const claim = (key: string, basePath: string, createdMs?: number, hostname = 'api.example.com'): HostnameClaim => {
  const [namespace = '', name = ''] = key.split('/');
  return { claimant: { key, namespace, name, createdMs }, hostname, basePath };
};
const losers = (...claims: HostnameClaim[]): string[] =>
  [...resolveHostnameClaims(claims)].map(([lost, winner]) => `${lost.claimant.key}<${winner.claimant.key}`).sort();

describe('claims of a hostname', () => {
  test('nested base paths of one namespace stand, equal ones go to the first name whatever its age', () => {
    expect(losers(claim('a/one', '/'), claim('a/two', '/x'), claim('a/three', '/x/y'))).toEqual([]);
    expect(losers(claim('a/one', '/x', 9), claim('a/two', '/x', 1))).toEqual(['a/two<a/one']);
  });

  test('between namespaces equal and nested base paths go to the older', () => {
    expect(losers(claim('a/one', '/x', 2), claim('b/one', '/x', 1))).toEqual(['a/one<b/one']);
    expect(losers(claim('a/one', '/x/y', 2), claim('b/one', '/x', 1))).toEqual(['a/one<b/one']);
    expect(losers(claim('a/one', '/', 2), claim('b/one', '/x/y', 1))).toEqual(['a/one<b/one']);
  });

  test('without ages namespace and name decide', () => {
    expect(losers(claim('b/one', '/x'), claim('a/two', '/x'))).toEqual(['b/one<a/two']);
  });

  test('segments count, not characters, and other hostnames do not', () => {
    expect(
      losers(claim('a/one', '/x'), claim('b/one', '/xy'), claim('c/one', '/x', undefined, 'other.example.com')),
    ).toEqual([]);
  });

  test('a claim that lost refuses nobody', () => {
    expect(losers(claim('a/root', '/', 3), claim('b/x', '/x', 1), claim('c/y', '/y', 4))).toEqual(['a/root<b/x']);
  });

  test('the outcome does not depend on the order of the claims, and what stands never overlaps between namespaces', () => {
    const arbitraryClaim = fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.constantFrom('1', '2', '3'),
      fc.constantFrom('/', '/x', '/x/y', '/x/y/z', '/y'),
      fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(arbitraryClaim, { selector: ([namespace, name]) => `${namespace}/${name}`, maxLength: 9 }),
        fc.infiniteStream(fc.double({ noNaN: true })),
        (tuples, noise) => {
          const claims = tuples.map(([namespace, name, basePath, createdMs]) =>
            claim(`${namespace}/${name}`, basePath, createdMs),
          );
          const shuffled = claims
            .map((each) => ({ each, at: noise.next().value ?? 0 }))
            .sort((p, q) => p.at - q.at)
            .map(({ each }) => each);
          expect(losers(...shuffled)).toEqual(losers(...claims));
          const lost = resolveHostnameClaims(claims);
          const standing = claims.filter((each) => !lost.has(each));
          const within = (path: string, base: string): boolean =>
            base === '/' || path === base || path.startsWith(`${base}/`);
          for (const p of standing)
            for (const q of standing)
              if (p.claimant.namespace !== q.claimant.namespace) expect(within(p.basePath, q.basePath)).toBe(false);
        },
      ),
    );
  });
});

describe('--hostnames', () => {
  const permissions = [
    { namespace: 'shop', pattern: '*.shop.example.com' },
    { namespace: 'shop', pattern: 'api.example.com' },
    { namespace: 'root', pattern: '*' },
    { namespace: '*', pattern: '*.free.example.com' },
  ];
  test.each([
    ['shop', 'api.example.com', true],
    ['shop', 'API.example.com', true],
    ['shop', 'a.shop.example.com', true],
    ['shop', 'a.b.shop.example.com', true],
    ['shop', '*.shop.example.com', true],
    ['shop', '*.b.shop.example.com', true],
    ['shop', 'shop.example.com', false],
    ['shop', 'evilshop.example.com', false],
    ['shop', '*.example.com', false],
    ['root', 'any.example.org', true],
    ['nobody', 'api.example.com', false],
    ['nobody', 'x.free.example.com', true],
  ])('%s may claim %s: %s', (namespace, hostname, allowed) => {
    expect(mayClaimHostname(permissions, namespace, hostname)).toBe(allowed);
  });

  test('absent, everybody may claim everything', () => {
    expect(mayClaimHostname([], 'nobody', 'api.example.com')).toBe(true);
  });
});
