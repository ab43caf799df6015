import { describe, expect, test } from '@jest/globals';
import { otherReadings } from '../../../src/authz/guard/path.js';
import { indexHosts } from '../../../src/authz/table/host-index.js';
import type { Group } from '../../../src/model/model.js';
import { buildModel, type EnvironmentInput } from '../../support/authz/authz-model.js';

const group = (
  name: string,
  basePath: string,
  hostnames: readonly string[],
  environments: EnvironmentInput[],
): Group => ({
  ...buildModel({ groups: [{ key: `team/${name}`, basePath, environments }] }).groups[0]!,
  hostnames,
});
const segment = (value: string): EnvironmentInput => ({ name: value, match: { type: 'PathPrefix', value } });
const host = (value: string): EnvironmentInput => ({ name: value, match: { type: 'Hostname', value } });

const index = indexHosts([
  group('outer', '/', ['api.example.com', '*.example.com'], [{ name: 'main', default: true }]),
  group('orders', '/orders', ['api.example.com'], [segment('release'), segment('test'), host('orders.example.com')]),
  group('escaped', '/a%20b', ['api.example.com'], [{ name: 'main', default: true }]),
]);
const leaves = (path: string, authority = 'api.example.com'): boolean =>
  index.leavesPlace(authority, path, otherReadings(path));

describe('a path leaves its place', () => {
  test.each([
    ['for the base path of another group', '/%6frders/x'],
    ['for it without parameters', '/orders;v=1/x'],
    ['for it after two decodings', '/%256frders'],
    ['for an environment segment', '/orders/%72elease/x'],
    ['for an environment segment without parameters', '/orders/test;/x'],
    ['not inside one group', '/orders/release/%72elease'],
    ['not for a text that only begins alike', '/%6frdersx'],
    ['not from a base path that is itself escaped', '/a%20b/%78'],
    ['for a base path that is itself escaped', '/a%2520b/x'],
  ])('%s: %s', (title, path, expected = !title.startsWith('not')) => {
    expect(leaves(path)).toBe(expected);
  });

  test('only on the host that has the other place', () => {
    expect(leaves('/%6frders/x', 'API.example.com:8443')).toBe(true);
    expect(leaves('/%6frders/x', 'www.example.com')).toBe(false);
    expect(leaves('/%6frders/x', 'elsewhere.example.net')).toBe(false);
  });
  test('for the base path on the host of one environment', () => {
    expect(leaves('/orders/%72elease', 'orders.example.com')).toBe(false);
  });
  test('at a cost that does not grow with the path', () => {
    const path = `/%78${'/x'.repeat(30_000)}`;
    const readings = otherReadings(path);
    const started = performance.now();
    for (let i = 0; i < 100; i++) index.leavesPlace('api.example.com', path, readings);
    expect(performance.now() - started).toBeLessThan(200);
  });
});
