/** The controller's process in this one, against a real API server. */
import { createControllerProcess, type ControllerProcess } from '../../../src/app/controller/controller-process.js';
import { openKubernetesSource } from '../../../src/app/kubernetes/kubernetes-source.js';
import { loadConfig } from '../../../src/config/load.js';
import { systemClock } from '../../../src/lib/clock.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { createAuthority } from '../certificate.js';
import { freePort } from '../ports.js';
import { writeTlsFolder } from '../tls-folder.js';
import { OPERATOR_NAMESPACE } from './kube-operator.js';

export interface TestControllerOptions {
  /** Of the operator. */
  readonly kubeconfig: string | undefined;
  /** For its certificates. */
  readonly folder: string;
  /** Default: a free port. */
  readonly adminPort?: number;
  /** `undefined`: the default. */
  readonly adminAddress: string | undefined;
}

/** Started when it resolves; the caller closes it. */
export async function startController(options: TestControllerOptions): Promise<ControllerProcess> {
  const { kubeconfig, folder, adminPort = await freePort(), adminAddress } = options;
  const authority = createAuthority();
  const tls = await writeTlsFolder(folder, authority.issue('countersign-controller'), authority);
  const config = loadConfig({
    flags: {
      ...{ kubeconfig, namespace: OPERATOR_NAMESPACE },
      ...{ xdsAddress: '127.0.0.1', xdsPort: String(await freePort()) },
      ...{ adminAddress, adminPort: String(adminPort) },
      ...{ xdsCert: tls.certificatePath, xdsKey: tls.privateKeyPath, xdsCa: tls.caPath },
    },
    environment: {},
    workingFolder: folder,
  });
  const log = createLogger({ level: 'error', format: 'json', write: () => undefined });
  const controller = createControllerProcess({
    config,
    log,
    openSource: (ofProcess) => openKubernetesSource({ config, metrics: ofProcess, log, clock: systemClock }),
  });
  await controller.start();
  return controller;
}
