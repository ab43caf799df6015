import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { readFile } from 'node:fs/promises';
import { EMPTY_MODEL } from '../../src/model/model.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { encodePolicy } from '../../src/policy/encode.js';
import { policySnapshot, summarize } from '../../src/policy/epoch.js';
import { EPOCH_TYPE, KEY_TYPE, POLICY_RESOURCE_TYPES } from '../../src/policy/resource-types.js';
import { CLUSTER_TYPE } from '../../src/xds/resource-types.js';
import { createAdsListener } from '../../src/xds/server/ads-server.js';
import { createPlane, type NodeEvent } from '../../src/xds/server/plane.js';
import { aggregatedDiscoveryService } from '../../src/xds/server/service.js';
import { openTlsFiles } from '../../src/xds/server/tls-files.js';
import { startBackend, type RecordingBackend } from '../support/gateway/backend.js';
import { createAuthority, type TestCertificate } from '../support/certificate.js';
import { build, startDataPlane, type DataPlane } from '../support/gateway/data-plane.js';
import { eventually } from '../support/eventually.js';
import { sendHttp1 } from '../support/http.js';
import { apiGroup, grant, importedKey, toYaml, urlBackend } from '../support/resources/resources.js';
import { tencentHeaders } from '../support/signing/tencent-sample.js';
import { writeTlsFolder } from '../support/tls-folder.js';

const KEY = { keyId: 'AKIDtrustcaller00001', secret: 'trust-caller-secret-001' };
const UNAVAILABLE = 14;
const PERMISSION_DENIED = 7;
const INVALID_ARGUMENT = 3;
const SLOW = { withinMs: 20_000, everyMs: 50 };

let backend: RecordingBackend;
let plane: DataPlane;

beforeAll(async () => {
  await build();
  backend = await startBackend();
  plane = await startDataPlane({
    withController: false,
    files: {
      'orders.yaml': toYaml(
        ...importedKey('caller', KEY.keyId, KEY.secret),
        grant('orders', ['caller'], 'orders'),
        apiGroup('orders', { verification: { dialects: ['Tencent'] }, backend: urlBackend(backend.port) }),
      ),
    },
  });
}, 180_000);
afterAll(async () => {
  await plane?.close();
  await backend?.close();
}, 30_000);

const statusOfCall = async (): Promise<number> =>
  (await sendHttp1(plane.httpPort, { method: 'GET', target: '/orders/v1', headers: tencentHeaders(KEY) })).status;

const currentNodes = async (): Promise<readonly string[]> =>
  (await plane.status()).nodes.filter(({ current }) => current).map(({ id }) => id);

/** Asks the controller for a type. Resolves with how many resources came, rejects with the error of the stream. */
async function ask(
  typeUrl: string,
  certificate: TestCertificate | undefined,
  ca = plane.authority.certificate,
): Promise<number> {
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const client = new Client(
    plane.xdsAddress,
    credentials.createSsl(pem(ca), pem(certificate?.privateKey), pem(certificate?.certificate), {
      checkServerIdentity: () => undefined,
    }),
  );
  const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  call.write(create(DeltaDiscoveryRequestSchema, { node: { id: 'curious' }, typeUrl }));
  try {
    return await new Promise<number>((resolve, reject) => {
      call.on('data', (response: DeltaDiscoveryResponse) => resolve(response.resources.length));
      call.on('error', reject);
    });
  } finally {
    call.on('error', () => undefined);
    call.cancel();
    client.close();
  }
}
/** A stream that is kept open once something came; resolves with the code it ends with. */
async function follow(typeUrl: string, { certificate, privateKey }: TestCertificate) {
  const [ca, key, chain] = [plane.authority.certificate, privateKey, certificate].map((text) => Buffer.from(text));
  const client = new Client(
    plane.xdsAddress,
    credentials.createSsl(ca, key, chain, { checkServerIdentity: () => undefined }),
  );
  const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const ended = new Promise<number>((resolve) => call.on('error', ({ code }: ServiceError) => resolve(code)));
  const open = new Promise((resolve) => call.on('data', resolve));
  call.write(create(DeltaDiscoveryRequestSchema, { node: { id: 'thief' }, typeUrl }));
  await open;
  return { ended: ended.finally(() => client.close()) };
}

const refusal = (asked: Promise<number>): Promise<number> =>
  asked.then(
    () => -1,
    ({ code }: ServiceError) => code,
  );

const certificateOf = async (name: 'authorizer' | 'envoy'): Promise<TestCertificate> => ({
  certificate: await readFile(plane.tls[name].certificatePath, 'utf8'),
  privateKey: await readFile(plane.tls[name].privateKeyPath, 'utf8'),
});

describe('an authorizer', () => {
  test('that waits for its first controller is not ready, and serves once there is one', async () => {
    expect(await plane.authorizerAdmin('/livez')).toMatchObject({ status: 200 });
    expect(await plane.authorizerAdmin('/readyz')).toMatchObject({
      status: 503,
      text: expect.stringContaining('authorizer: '),
    });
    await plane.startController();
    await eventually(async () => expect(await currentNodes()).toHaveLength(3), SLOW);
    expect(await plane.authorizerAdmin('/readyz')).toMatchObject({ status: 200 });
    await eventually(async () => expect(await statusOfCall()).toBe(200));
  }, 60_000);
});

describe('the controller', () => {
  test('gives policy to the certificate of an authorizer only, and that gets nothing of Envoy', async () => {
    const [envoy, authorizer] = [await certificateOf('envoy'), await certificateOf('authorizer')];
    expect(await ask(KEY_TYPE, authorizer)).toBe(1);
    expect(await ask(CLUSTER_TYPE, envoy)).toBe(1);
    expect(await refusal(ask(KEY_TYPE, envoy))).toBe(PERMISSION_DENIED);
    expect(await refusal(ask(EPOCH_TYPE, envoy))).toBe(PERMISSION_DENIED);
    expect(await refusal(ask(CLUSTER_TYPE, authorizer))).toBe(PERMISSION_DENIED);
    expect(await refusal(ask('type.googleapis.com/none', authorizer))).toBe(INVALID_ARGUMENT);
    const stranger = plane.authority.issue('somebody-else');
    for (const type of [KEY_TYPE, CLUSTER_TYPE]) expect(await refusal(ask(type, stranger))).toBe(PERMISSION_DENIED);
  });

  test('talks to nobody without a certificate of its authority', async () => {
    const foreign = createAuthority().issue('countersign-authorizer');
    for (const certificate of [undefined, foreign]) expect(await refusal(ask(KEY_TYPE, certificate))).toBe(UNAVAILABLE);
    expect(await refusal(ask(KEY_TYPE, await certificateOf('authorizer'), createAuthority().certificate))).toBe(
      UNAVAILABLE,
    );
  });
});

describe('an older controller', () => {
  test('that comes back with a lower revision cannot take keys away or bring them back', async () => {
    await plane.stopController();
    const events: NodeEvent[] = [];
    const stale = createPlane({ types: POLICY_RESOURCE_TYPES, onNode: (event) => void events.push(event) });
    const content = encodePolicy(EMPTY_MODEL);
    stale.setSnapshot(
      policySnapshot(content, { ...summarize(content), revision: 1, authorizers: 2, routesHeld: true }),
    );
    const files = await openTlsFiles(plane.tls.controller);
    const listener = createAdsListener({ planes: [stale], credentials: files.serverCredentials() });
    await listener.listen(plane.xdsAddress);
    try {
      await eventually(
        () =>
          expect(
            events.flatMap((event) => (event.type === 'rejected' ? [`${event.node.id} ${event.error}`] : [])).sort(),
          ).toEqual([
            expect.stringMatching(/^node\/0 revision 1 is lower than \d+/),
            expect.stringMatching(/^node\/1 revision 1 is lower than \d+/),
          ]),
        SLOW,
      );
      expect(await statusOfCall()).toBe(200);
    } finally {
      await listener.close();
      files.close();
    }
    await plane.startController();
    await eventually(async () => expect(await currentNodes()).toHaveLength(3), SLOW);
    expect(await statusOfCall()).toBe(200);
  }, 90_000);
});

describe('certificates', () => {
  test('are replaced on disk, authority and all, without a restart of authorizers or Envoy', async () => {
    const renewed = createAuthority();
    const old = await certificateOf('authorizer');
    const stolen = await follow(KEY_TYPE, old);
    await writeTlsFolder(plane.tlsFolderOf('controller'), renewed.issue('countersign-controller'), renewed);
    await writeTlsFolder(plane.tlsFolderOf('authorizer'), renewed.issue('countersign-authorizer'), renewed);
    await writeTlsFolder(plane.tlsFolderOf('envoy'), renewed.issue('countersign-envoy'), renewed);
    await eventually(() => expect(plane.controller?.output()).toContain('certificates renewed'), SLOW);
    await eventually(
      () => expect(plane.authorizer.output().match(/certificates renewed/g)?.length).toBeGreaterThanOrEqual(2),
      SLOW,
    );
    expect(await refusal(ask(KEY_TYPE, old, renewed.certificate))).toBe(UNAVAILABLE);
    // Who was connected must show a certificate again.
    expect(await stolen.ended).toBe(UNAVAILABLE);
    await eventually(async () => expect(await currentNodes()).toHaveLength(3), SLOW);
    const pids = (await plane.workers()).map((worker) => worker?.pid);
    await plane.stopController('SIGKILL');
    await plane.startController();
    await eventually(async () => expect(await currentNodes()).toHaveLength(3), SLOW);
    expect((await plane.workers()).map((worker) => worker?.pid)).toEqual(pids);
    expect(await statusOfCall()).toBe(200);
  }, 90_000);
});
