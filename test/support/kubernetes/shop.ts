/** Namespace `shop`: its objects as an API server takes them, and the operator that serves them. */
import { startBackend, type RecordingBackend } from '../gateway/backend.js';
import { eventually } from '../eventually.js';
import { sendHttp1 } from '../http.js';
import {
  startOperatorPlane,
  type KubeObject,
  type OperatorPlane,
  type OperatorPlaneOptions,
} from './operator-plane.js';
import { apiGroup, grant, importedKey, secret } from '../resources/resources.js';
import { tencentHeaders, type SampleKey } from '../signing/tencent-sample.js';

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

export interface ShopOptions extends OperatorPlaneOptions {
  /** Keys that group `orders` is granted to; without any there is no group either. */
  readonly callers?: readonly string[];
}

export interface Shop extends OperatorPlane {
  /** What Service `shop/echo` leads to. */
  readonly backend: RecordingBackend;
}

/** The operator before a backend. Resolves when every caller is served `/orders/…` by all workers. */
export async function startShop({ callers = [], controllerFlags = [], ...options }: ShopOptions): Promise<Shop> {
  const backend = await startBackend();
  const closers = [() => backend.close()];
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each();
  };
  try {
    const operator = await startOperatorPlane({
      ...options,
      controllerFlags: ['--service', `shop/echo:80=127.0.0.1:${String(backend.port)}`, ...controllerFlags],
    });
    closers.push(() => operator.close());
    if (callers.length > 0)
      await operator.apply(
        ...callers.flatMap((name) => shopKey(name)),
        shopGroup('orders'),
        shopGrant('orders', callers),
      );
    await eventually(
      async () => {
        for (const name of callers) {
          const answers = await askAll(operator.data.httpPort, name, '/orders/v1');
          if (answers.join() !== '200') throw new Error(`/orders/v1 answers ${name} with ${answers.join(' and ')}`);
        }
      },
      { withinMs: 30_000, everyMs: 20 },
    );
    return { ...operator, backend, close };
  } catch (error) {
    await close();
    throw error;
  }
}
