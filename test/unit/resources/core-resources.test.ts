import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parseCoreResource, type SecretResource } from '../../../src/resources/core-resources.js';
import { createResourceSet, matchesLabels, namespaceLabels, withSecrets } from '../../../src/resources/resource-set.js';
import { must } from '../../support/must.js';

const metadata = { name: 'a', namespace: 'shop' };
const secret = (raw: Record<string, unknown>, name = 'a'): SecretResource => {
  const parsed = parseCoreResource('Secret', { ...metadata, name }, raw);
  return must(parsed.ok && parsed.resource.kind === 'Secret' ? parsed.resource : undefined);
};

describe('a Secret', () => {
  test('gives its data by name, stringData before data', () => {
    const read = secret({ data: { a: 'b25l', b: 'dHdv' }, stringData: { b: 'three' }, type: 'x/y' });
    expect([read.text('a'), read.text('b'), read.text('c'), read.type]).toEqual(['one', 'three', undefined, 'x/y']);
  });

  test('gives no text for data that are not UTF-8', () => {
    expect(secret({ data: { a: '/w==' } }).text('a')).toBeUndefined();
  });

  test('shows its data in no printed form', () => {
    const read = secret({ stringData: { secret: 'cAnArY' } });
    expect(JSON.stringify(read) + inspect(read, { depth: 9, showHidden: true })).not.toContain('cAnArY');
  });
});

describe('a resource set', () => {
  test('lets Secrets of the folder go before generated ones of the same name', () => {
    const [own, generated, other] = [
      secret({ stringData: { k: 'own' } }),
      secret({ stringData: { k: 'generated' } }),
      secret({}, 'b'),
    ];
    const { Secret } = withSecrets(createResourceSet([own]), [generated, other]);
    expect([...Secret.keys()].sort()).toEqual(['shop/a', 'shop/b']);
    expect(Secret.get('shop/a')).toBe(own);
  });

  test('gives every namespace its name as a label, as an API server does', () => {
    const empty = createResourceSet([]);
    expect(namespaceLabels(empty, 'shop')).toEqual({ 'kubernetes.io/metadata.name': 'shop' });
  });

  test('matches labels by own members only', () => {
    expect(matchesLabels({ team: 'a' }, { team: 'a', x: 'y' })).toBe(true);
    expect(matchesLabels({ team: 'a' }, { team: 'b' })).toBe(false);
    expect(matchesLabels({ team: 'a' })).toBe(false);
  });
});
