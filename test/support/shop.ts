/** Objects of namespace `shop` as an API server takes them, for tests that count what is served. */
import { sendHttp1 } from './http.js';
import type { KubeObject } from './operator-plane.js';
import { apiGroup, grant, importedKey, secret } from './resources.js';
import { tencentHeaders, type SampleKey } from './tencent-sample.js';

/** `host:port` is where the controllers are told that Service `shop/echo` is. */
export const serviceFlags = (port: number): string[] => ['--service', `shop/echo:80=127.0.0.1:${String(port)}`];

/** Base path `/NAME`, one API for every path, backend `shop/echo`. */
export const shopGroup = (name: string, spec: KubeObject = {}): KubeObject =>
  apiGroup(name, {
    verification: { dialects: ['Tencent'] },
    backend: { type: 'Service', service: { name: 'echo', port: 80 } },
    ...spec,
  });

export const sampleKey = (name: string): SampleKey => ({
  keyId: `AKID${name.replace(/[^a-z0-9]/gi, '')}`.padEnd(20, '0'),
  secret: `${name}-secret`.padEnd(24, '0'),
});

/** An imported caller key with its Secret. */
export const shopKey = (name: string, spec: KubeObject = {}): KubeObject[] => {
  const { keyId, secret: text } = sampleKey(name);
  return importedKey(name, keyId, text, spec);
};
export const shopSecret = (name: string): KubeObject => {
  const { keyId, secret: text } = sampleKey(name);
  return secret(name, { keyId, secret: text });
};
export const shopGrant = (group: string, keys: readonly string[], fields: KubeObject = {}): KubeObject =>
  grant(group, keys, group, fields);

/** Status of one request that the key signs. */
export const ask = async (port: number, keyName: string, target: string): Promise<number> =>
  (await sendHttp1(port, { method: 'GET', target, headers: tencentHeaders(sampleKey(keyName)) })).status;

/** The statuses of many requests on connections of their own, so that every worker is asked. */
export async function askAll(port: number, keyName: string, target: string, count = 16): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => ask(port, keyName, target)));
  return [...new Set(answers)].sort();
}
