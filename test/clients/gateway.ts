/** The running gateway with one group for each dialect, whose `verification` holds nothing but `dialects: [X]`. */
import type { DialectName } from '../../src/signature/dialect.js';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { startGateway, type TestGateway } from '../support/gateway/gateway.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';

export const KEY = { keyId: 'AKIDvendorclients001', secret: 'vendor-clients-secret-01' };

export const GROUPS = {
  JDCloud: 'jdcloud',
  Huawei: 'huawei',
  Tencent: 'tencent',
  TencentApplication: 'application',
} as const;
export type ClientDialect = keyof typeof GROUPS;

export interface ClientGateway {
  readonly gateway: TestGateway;
  readonly backend: RecordingBackend;
  close(): Promise<void>;
}

/**
 * @param groupNames name, and with it base path, of the group of each dialect.
 * @param verification beside `dialects`; none in the runs that show what works by default.
 */
export async function startClientGateway(
  groupNames: Readonly<Partial<Record<DialectName, string>>> = GROUPS,
  verification: Readonly<Record<string, unknown>> = {},
): Promise<ClientGateway> {
  const backend = await startBackend(({ method, target }, response) => {
    // Shaped like a JD Cloud answer, since its Python SDK reads nothing else as a success.
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ requestId: 'served', result: { method, target } }));
  });
  const groups = Object.entries(groupNames).map(([dialect, name]) =>
    apiGroup(name, {
      errors: 'Vendor',
      backend: urlBackend(backend.port),
      verification: { dialects: [dialect], ...verification },
    }),
  );
  const grants = Object.values(groupNames).map((name) => grant(`${name}-client`, ['client'], name));
  const gateway = await startGateway({
    files: { 'clients.yaml': toYaml(...importedKey('client', KEY.keyId, KEY.secret), ...groups, ...grants) },
  });
  return {
    gateway,
    backend,
    async close() {
      await gateway.close();
      await backend.close();
    },
  };
}
