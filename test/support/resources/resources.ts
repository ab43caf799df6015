/** Resources as objects that print to YAML; what a test does not name has the usual value. All in namespace `shop`. */
import { stringify } from 'yaml';

type Fields = Readonly<Record<string, unknown>>;

export const toYaml = (...objects: readonly Fields[]): string => objects.map((each) => stringify(each)).join('---\n');

const resource = (kind: string, name: string, spec: Fields): Fields => ({
  apiVersion: 'countersign.dev/v1alpha1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec,
});

export const secret = (name: string, data: Readonly<Record<string, string>>): Fields => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'shop' },
  type: 'countersign.dev/signature-key',
  stringData: data,
});

/** An imported caller key and its Secret. */
export const importedKey = (name: string, keyId: string, secretText: string, spec: Fields = {}): Fields[] => [
  resource('SignatureKey', name, {
    usage: 'Caller',
    identity: 'SignatureKeyPair',
    type: 'HMAC',
    keyID: keyId,
    secretRef: { name },
    ...spec,
  }),
  secret(name, { keyId, secret: secretText }),
];

/** An imported backend key and its Secret. */
export const backendKey = (name: string, keyId: string, secretText: string, spec: Fields = {}): Fields[] => [
  resource('SignatureKey', name, { usage: 'Backend', type: 'HMAC', secretRef: { name }, ...spec }),
  secret(name, { keyId, secret: secretText }),
];

/** Base path `/NAME` on 127.0.0.1, environment `release` by default, one API for every path. */
export const apiGroup = (name: string, spec: Fields): Fields =>
  resource('ApiGroup', name, {
    hostnames: ['127.0.0.1', 'localhost'],
    basePath: `/${name}`,
    errors: 'Uniform',
    environments: [{ name: 'release', default: true, match: { type: 'PathPrefix', value: 'release' } }],
    apis: [{ name: 'all', match: { path: { type: 'Prefix', value: '/' } } }],
    ...spec,
  });

export const urlBackend = (port: number, fields: Fields = {}): Fields => ({
  type: 'URL',
  url: `http://127.0.0.1:${port}`,
  ...fields,
});

const keyRefs = (names: readonly string[]): Fields => ({ refs: names.map((name) => ({ name, namespace: 'shop' })) });

/** All APIs of `group` in `release`, for keys of `shop`. */
export const grant = (name: string, keys: readonly string[], group: string, fields: Fields = {}): Fields =>
  resource('Authorization', name, {
    type: 'GatewaySignature',
    keys: keyRefs(keys),
    targets: [{ apiGroup: group, environment: 'release', apis: ['*'] }],
    ...fields,
  });

/** All APIs of `group` in `release`, for keys of `shop`. */
export const usagePlan = (name: string, keys: readonly string[], group: string, spec: Fields): Fields =>
  resource('UsagePlan', name, {
    keys: keyRefs(keys),
    targets: [{ apiGroup: group, environment: 'release', apis: ['*'] }],
    ...spec,
  });
