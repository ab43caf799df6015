// Many objects that belong together, for one namespace: keys with their Secrets, groups, grants and plans in equal parts.

/** @param {{ namespace: string, count: number }} options */
export function manyObjects({ namespace, count }) {
  const apiVersion = 'countersign.dev/v1alpha1';
  const service = { name: 'backend', port: 8080 };
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service.name, namespace },
      spec: { selector: { app: 'none' }, ports: [{ port: service.port }] },
    },
  ];
  for (let i = 0; objects.length < count; i++) {
    const name = `many-${i}`;
    const metadata = { name, namespace };
    const keyId = `MANY${String(i).padStart(16, '0')}`;
    objects.push(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata,
        type: 'countersign.dev/signature-key',
        stringData: { keyId, secret: `many-objects-secret-${String(i).padStart(8, '0')}` },
      },
      {
        apiVersion,
        kind: 'SignatureKey',
        metadata,
        spec: { usage: 'Caller', identity: 'SignatureKeyPair', type: 'HMAC', keyID: keyId, secretRef: { name } },
      },
      {
        apiVersion,
        kind: 'ApiGroup',
        metadata,
        spec: {
          displayName: name,
          hostnames: [`${name}.example.com`],
          basePath: '/',
          access: { authentication: 'Signature', authorization: 'Enabled' },
          verification: { dialects: ['Huawei', 'JDCloud'] },
          backend: { type: 'Service', service },
          environments: [{ name: 'release', default: true, match: { type: 'PathPrefix', value: 'release' } }],
          apis: [{ name: 'all', match: { path: { type: 'Prefix', value: '/v1' } } }],
        },
      },
      {
        apiVersion,
        kind: 'Authorization',
        metadata,
        spec: {
          type: 'GatewaySignature',
          keys: { refs: [{ name, namespace }] },
          targets: [{ apiGroup: name, environment: 'release', apis: ['*'] }],
        },
      },
      {
        apiVersion,
        kind: 'UsagePlan',
        metadata,
        spec: {
          rateLimits: [{ name: 'second', requests: 100, interval: '1s', scope: 'Key' }],
          keys: { refs: [{ name, namespace }] },
          targets: [{ apiGroup: name, environment: 'release', apis: ['*'] }],
        },
      },
    );
  }
  return objects.slice(0, count);
}
