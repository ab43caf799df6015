// Which examples the suite applies, and what stands in for the parts that come from elsewhere in a real installation.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOurs, readObjects } from './objects.mjs';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));

/** Folders of examples whose objects are applied; below examples/. */
export const APPLIED = ['quickstart', 'minimal', 'gitops/teams/provider/objects', 'gitops/teams/caller/objects'];

export const readQuickstart = () => readObjects(join(examples, 'quickstart'));

const secret = (namespace, name, keyId, text) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace },
  type: 'countersign.dev/signature-key',
  stringData: { keyId, secret: text },
});

/** The objects of two teams from examples/gitops, with the Secrets that a vault would give, and those of examples/minimal. */
export const readGitops = () => [
  ...readObjects(join(examples, 'gitops/platform/base/namespaces.yaml')).filter(
    ({ metadata }) => metadata.name !== 'countersign-system',
  ),
  ...APPLIED.filter((folder) => folder.startsWith('gitops/'))
    .flatMap((folder) => readObjects(join(examples, folder)))
    .filter(isOurs),
  ...readObjects(join(examples, 'minimal')),
  secret('mobile', 'mobile-app', 'AKMOBILEAPP000000001', 'gitops-mobile-app-secret-1'),
  secret('mobile', 'partner', 'AKPARTNER00000000001', 'gitops-partner-secret-0001'),
  secret('shop', 'orders-backend', 'orders-backend-key', 'gitops-backend-secret-0001'),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'orders', namespace: 'shop' },
    spec: { selector: { app: 'orders' }, ports: [{ port: 8080, targetPort: 8080 }] },
  },
];

/** What these objects promise. */
export function gitopsCases() {
  const mobile = { keyId: 'AKMOBILEAPP000000001', secret: 'gitops-mobile-app-secret-1' };
  const partner = { keyId: 'AKPARTNER00000000001', secret: 'gitops-partner-secret-0001' };
  const signedBy = { keyId: 'orders-backend-key', secret: 'gitops-backend-secret-0001' };
  const list = '/orders/v1/orders';
  const tested = '/orders/test/v1/orders';
  const cases = [
    {
      name: 'JD Cloud lists, signed to the backend',
      dialect: 'JDCloud',
      key: mobile,
      path: list,
      status: 200,
      signedBy,
    },
    { name: 'Huawei creates', key: mobile, method: 'POST', path: list, body: { sku: 'A-1' }, status: 200, signedBy },
    { name: 'a generated key lists', key: { generated: 'mobile/batch' }, path: list, status: 200, signedBy },
    { name: 'the partner in test', key: partner, path: tested, status: 200 },
    { name: 'the partner in release', key: partner, path: list, status: 403 },
    { name: 'the partner creates in test', key: partner, method: 'POST', path: tested, body: {}, status: 403 },
  ];
  const reader = { host: 'orders.example.org', path: '/v1/orders', key: { generated: 'shop/reader' } };
  const minimal = [
    { ...reader, name: 'its generated key lists', status: 200 },
    { ...reader, name: 'another path', path: '/v1/others', status: 404 },
    { ...reader, name: 'a key of the teams', key: mobile, status: 403 },
  ];
  return [
    ...cases.map((each) => ({ host: 'api.example.com', ...each, name: `gitops: ${each.name}` })),
    ...minimal.map((each) => ({ ...each, name: `minimal: ${each.name}` })),
  ].map((each) => ({ dialect: 'Huawei', ...each }));
}
