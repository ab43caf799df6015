import { describe, expect, test } from '@jest/globals';
import { compileApis } from '../../../src/authz/table/api-matcher.js';
import type { Api, PathMatch } from '../../../src/model/model.js';
import { buildModel, type ApiInput } from '../../support/authz/authz-model.js';

const apisOf = (apis: readonly ApiInput[]): readonly Api[] =>
  buildModel({ groups: [{ key: 'team/orders', environments: [{ name: 'release', apis }] }] }).groups[0]!
    .environments[0]!.apis;

const matcherOf = (...apis: [name: string, type: PathMatch['type'], value: string, methods?: readonly string[]][]) =>
  compileApis(
    apisOf(
      apis.map(([name, type, value, methods]) => ({ name, path: { type, value }, ...(methods ? { methods } : {}) })),
    ),
  );

const nameOf = (matcher: ReturnType<typeof matcherOf>, path: string, method = 'GET'): string | undefined =>
  matcher.find(path, method).found?.api.name;

describe('precedence', () => {
  const matcher = matcherOf(
    ['root', 'Prefix', '/'],
    ['v1', 'Prefix', '/v1'],
    ['orders', 'Prefix', '/v1/orders'],
    ['any-two', 'Template', '/v1/{kind}/{id}'],
    ['order', 'Template', '/v1/orders/{id}'],
    ['latest', 'Exact', '/v1/orders/latest'],
  );
  test.each([
    ['/v1/orders/latest', 'latest'],
    ['/v1/orders/7', 'order'],
    ['/v1/items/7', 'any-two'],
    ['/v1/orders', 'orders'],
    ['/v1/orders/7/lines', 'orders'],
    ['/v1/items', 'v1'],
    ['/v2', 'root'],
  ])('%s belongs to %s', (path, name) => expect(nameOf(matcher, path)).toBe(name));

  test('of two templates with as many literals the earlier one wins, and one that lists the method before it', () => {
    const right = ['right', 'Template', '/{a}/b'] as const;
    const left = ['left', 'Template', '/a/{b}'] as const;
    expect(nameOf(matcherOf([...right], [...left]), '/a/b')).toBe('right');
    expect(nameOf(matcherOf([...left], [...right]), '/a/b')).toBe('left');
    expect(nameOf(matcherOf([...left], [...right, ['GET']]), '/a/b')).toBe('right');
    expect(nameOf(matcherOf([...left], [...right, ['GET']]), '/a/b', 'PUT')).toBe('left');
  });
  test('an API that lists the method goes before one that lists none', () => {
    const both = matcherOf(['any', 'Exact', '/a'], ['post', 'Exact', '/a', ['POST']]);
    expect([nameOf(both, '/a', 'POST'), nameOf(both, '/a', 'PUT')]).toEqual(['post', 'any']);
  });
  test('a more specific path without the method leaves the request to a less specific one', () => {
    const both = matcherOf(['exact', 'Exact', '/a', ['GET']], ['prefix', 'Prefix', '/', ['POST']]);
    expect(nameOf(both, '/a', 'POST')).toBe('prefix');
  });
});

describe('paths', () => {
  test('a trailing slash makes another path', () => {
    const matcher = matcherOf(['a', 'Exact', '/a'], ['b', 'Template', '/x/{id}']);
    expect(nameOf(matcher, '/a/')).toBeUndefined();
    expect(nameOf(matcher, '/x/1/')).toBeUndefined();
  });
  test('a prefix matches whole segments', () => {
    const matcher = matcherOf(['v1', 'Prefix', '/v1']);
    expect(['/v1', '/v1/', '/v1/a', '/v10', '/V1'].map((path) => nameOf(matcher, path) ?? '')).toEqual([
      'v1',
      'v1',
      'v1',
      '',
      '',
    ]);
  });
  test('a variable is one segment that is not empty', () => {
    const matcher = matcherOf(['order', 'Template', '/orders/{id}']);
    expect(['/orders/7', '/orders/', '/orders/7/8'].map((path) => nameOf(matcher, path) ?? '')).toEqual([
      'order',
      '',
      '',
    ]);
  });
  test('variables keep their raw bytes, and each API its own names for one place', () => {
    const matcher = matcherOf(['get', 'Template', '/o/{id}', ['GET']], ['put', 'Template', '/o/{order}', ['PUT']]);
    expect([...matcher.find('/o/a%20b', 'GET').found!.variables]).toEqual([['id', 'a%20b']]);
    expect([...matcher.find('/o/a%20b', 'PUT').found!.variables]).toEqual([['order', 'a%20b']]);
  });
  test('nothing after the base path belongs to the root prefix alone', () => {
    expect(nameOf(matcherOf(['root', 'Prefix', '/']), '')).toBe('root');
    expect(nameOf(matcherOf(['slash', 'Exact', '/']), '')).toBeUndefined();
  });
  test('names of object members are ordinary segments', () => {
    expect(nameOf(matcherOf(['a', 'Template', '/a/{x}']), '/__proto__/constructor')).toBeUndefined();
  });
});

describe('methods', () => {
  test('HEAD is not implied by GET, and OPTIONS not by an omitted list', () => {
    expect(nameOf(matcherOf(['get', 'Exact', '/a', ['GET']]), '/a', 'HEAD')).toBeUndefined();
    expect(nameOf(matcherOf(['any', 'Exact', '/a']), '/a', 'OPTIONS')).toBeUndefined();
    expect(nameOf(matcherOf(['options', 'Exact', '/a', ['OPTIONS']]), '/a', 'OPTIONS')).toBe('options');
  });
  test.each(['TRACE', 'CONNECT'])('%s is never offered, not even where listed', (method) => {
    const matcher = matcherOf(['listed', 'Exact', '/a', [method]], ['any', 'Exact', '/b']);
    expect([nameOf(matcher, '/a', method), nameOf(matcher, '/b', method)]).toEqual([undefined, undefined]);
  });
  test('a known path without the method tells the methods it has', () => {
    const matcher = matcherOf(['get', 'Exact', '/a', ['GET']], ['put', 'Template', '/{x}', ['PUT']]);
    expect(matcher.find('/a', 'POST')).toEqual({ found: undefined, allow: ['GET', 'PUT'] });
    expect(matcher.find('/a/b', 'POST')).toEqual({ found: undefined, allow: undefined });
  });
});

test('10,000 APIs compile in well under a second and a lookup does not grow with them', () => {
  const many = apisOf(
    Array.from({ length: 10_000 }, (_, i): ApiInput => ({
      name: `api-${i}`,
      path: { type: i % 2 ? 'Template' : 'Exact', value: i % 2 ? `/s${i}/{id}` : `/s${i}` },
    })),
  );
  const started = performance.now();
  const matcher = compileApis(many);
  expect(performance.now() - started).toBeLessThan(1000);
  const lookups = performance.now();
  for (let i = 0; i < 10_000; i++) matcher.find('/s9999/7', 'GET');
  expect((performance.now() - lookups) / 10_000).toBeLessThan(0.1);
  expect(matcher.find('/s9999/7', 'GET').found?.api.name).toBe('api-9999');
});
