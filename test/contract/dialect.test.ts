import { describe, expect, test } from '@jest/globals';
import { DIALECTS } from '../../src/signature/dialects.js';
import { VECTORS } from '../vectors/vector.js';
import { runDialectContract } from './dialect-contract.js';

for (const dialect of DIALECTS) {
  describe(`dialect ${dialect.name}`, () => {
    runDialectContract(
      dialect,
      VECTORS.filter((vector) => vector.dialect === dialect.name),
    );
  });
}

describe('the list of dialects', () => {
  test('no two dialects but the Tencent pair answer to one scheme word', () => {
    for (const vector of VECTORS) {
      const authorization = vector.request.headers.find(([name]) => name === 'authorization')?.[1] ?? '';
      const names = DIALECTS.filter((dialect) => dialect.detect(authorization)).map(({ name }) => name);
      if (authorization.startsWith('hmac')) expect(names.every((name) => name.startsWith('Tencent'))).toBe(true);
      else expect(names.length).toBeLessThanOrEqual(1);
    }
  });
});
