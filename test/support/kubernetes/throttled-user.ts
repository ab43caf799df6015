/** Makes a real API server answer 429 to whatever one user asks. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EVENT, OUR_TYPES } from '../../../src/provider/kubernetes/resource-types.js';
import { eventually } from '../eventually.js';
import type { KubeApiServer } from './kube-api-server.js';
import { connectAs, OPERATOR_NAMESPACE } from './kube-operator.js';

const HOLDER = { name: 'seat-holder', labels: { 'seat-holder': 'true' } };

/** The user's own level of priority, with no share of the server. */
const objects = (user: string, webhookPort: number, certificate: string) => ({
  '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations': {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'none' },
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: 0,
        lendablePercent: 0,
        borrowingLimitPercent: 0,
        limitResponse: { type: 'Reject' },
      },
    },
  },
  '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas': {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name: 'none' },
    spec: {
      priorityLevelConfiguration: { name: 'none' },
      matchingPrecedence: 2,
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: user } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
        },
      ],
    },
  },
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations': {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'none' },
    webhooks: [
      {
        name: 'none.example.com',
        admissionReviewVersions: ['v1'],
        clientConfig: {
          url: `https://127.0.0.1:${String(webhookPort)}/`,
          caBundle: Buffer.from(certificate).toString('base64'),
        },
        failurePolicy: 'Fail',
        objectSelector: { matchLabels: HOLDER.labels },
        rules: [{ apiGroups: ['events.k8s.io'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['events'] }],
        sideEffects: 'None',
        timeoutSeconds: 30,
      },
    ],
  },
});

/**
 * Resolves when the server refuses. It lets every level serve one request at a time, however small its share is, so
 * one request of the user is kept in a webhook that never answers.
 * @param token - of the user, who may create Events and list usage plans.
 * @returns ends it.
 */
export async function throttleUser(server: KubeApiServer, user: string, token: string): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const webhook = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  });
  await new Promise<void>((done) => webhook.listen(0, '127.0.0.1', done));
  const created = objects(user, (webhook.address() as AddressInfo).port, server.certificate);
  const [holder, asker] = [await connectAs(server, token), await connectAs(server, token)];
  const ended = new AbortController();
  const hold = async () => {
    while (!ended.signal.aborted) {
      await holder.api
        .create(EVENT, { metadata: { ...HOLDER, namespace: OPERATOR_NAMESPACE } }, ended.signal)
        .catch(() => undefined);
      await delay(20);
    }
  };
  for (const [path, body] of Object.entries(created)) {
    const { status } = await server.request('POST', path, body);
    if (status !== 201) throw new Error(`POST ${path}: ${String(status)}`);
  }
  const holding = hold();
  await eventually(
    async () => {
      const refusal: unknown = await asker.api.list(OUR_TYPES.UsagePlan, { limit: 1 }).catch((error: unknown) => error);
      if ((refusal as { status?: number }).status !== 429) throw new Error('the API server does not refuse');
    },
    { withinMs: 60_000, everyMs: 100 },
  );
  return async () => {
    for (const [path, { metadata }] of Object.entries(created))
      await server.request('DELETE', `${path}/${metadata.name}`);
    ended.abort();
    for (const socket of sockets) socket.destroy();
    await holding;
    webhook.close();
    await holder.close();
    await asker.close();
  };
}
