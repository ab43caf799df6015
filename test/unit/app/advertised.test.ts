import { describe, expect, test } from '@jest/globals';
import { translateContext } from '../../../src/app/context.js';
import { loadConfig } from '../../../src/config/load.js';

const HTTPS = { httpsPort: '8443', tlsCert: 'tls.crt', tlsKey: 'tls.key' };

describe('URLs in status name', () => {
  test.each([
    ['the port on which Envoy listens', {}, { scheme: 'http', port: 8080 }],
    ['HTTPS where there is some', HTTPS, { scheme: 'https', port: 8443 }],
    ['the port of what stands before', { advertisedPort: '30080' }, { scheme: 'http', port: 30080 }],
    ['no port that the scheme has anyway', { advertisedPort: '80' }, { scheme: 'http' }],
    ['nor that of https', { ...HTTPS, advertisedPort: '443' }, { scheme: 'https' }],
    ['but the other one', { advertisedScheme: 'https', advertisedPort: '80' }, { scheme: 'https', port: 80 }],
  ])('%s', (_, flags, advertised) => {
    const config = loadConfig({ flags, environment: {}, workingFolder: '/' });
    expect(translateContext(config).advertised).toEqual(advertised);
  });
});
