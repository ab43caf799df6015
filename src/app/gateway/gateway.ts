/**
 * Composition root of `countersign run`: file provider → controller → ADS and authorizer on Unix sockets in a
 * private folder, and a child Envoy. Starts the parts in an order in which none is asked before it can answer,
 * and ends them the other way round.
 */
import { toBinary } from '@bufbuild/protobuf';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAuthorizer, type Authorizer } from '../../authz/authorizer.js';
import { createGrpcTransport } from '../../authz/transport/grpc.js';
import type { Config } from '../../config/settings.js';
import { BootstrapSchema } from '../../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { systemClock, type Clock } from '../../lib/clock.js';
import { AppError, errorMessage } from '../../lib/errors.js';
import { hostPort } from '../../lib/host-port.js';
import { EMPTY_MODEL } from '../../model/model.js';
import { createFileProvider } from '../../provider/file/file-provider.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Metrics } from '../../telemetry/metrics.js';
import { renderBootstrap } from '../../xds/render/bootstrap/bootstrap.js';
import { DEFAULT_MAX_DOWNSTREAM_CONNECTIONS } from '../../xds/render/options.js';
import { createAdsServer } from '../../xds/server/ads-server.js';
import { parseAccessLogLine, type AccessLogEntry } from './access-log.js';
import { findEnvoy } from '../binaries/envoy.js';
import { createChangeReporter } from '../controller/change-reporter.js';
import { renderOptions, translateContext } from '../context.js';
import { createController } from '../controller/controller.js';
import { createCounterStore } from '../counter-store.js';
import { createEnvoyProcess } from './envoy-process.js';
import { logFolder } from '../controller/controller-source.js';
import { logKeyState, openKeyState } from '../controller/key-state.js';
import { createMonitoredProcess } from '../monitored-process.js';
import { observeChecks } from '../authorizer/observe-checks.js';
import { checkPemFiles } from './pem-files.js';
import { createLocalAuthorizers } from '../controller/policy-publisher.js';
import { EMPTY_FOLDER, tellUnread } from '../problem-text.js';
import { summarize } from '../summary-text.js';

export interface GatewayOptions {
  readonly config: Config;
  /** The folder of manifests, as the user wrote it: problems are printed with it. */
  readonly folder: string;
  /** Absolute. */
  readonly folderPath: string;
  readonly stateFolder: string;
  readonly log: Logger;
  /** Each request, once it is over; the reason of a refusal is completed. */
  readonly onAccessLog: (entry: AccessLogEntry) => void;
  readonly clock?: Clock;
}

export interface GatewayAddresses {
  readonly http: string;
  readonly https: string | undefined;
  readonly admin: string;
}

export interface Gateway {
  /** Resolves when requests are served. @throws AppError saying what is in the way; the gateway is closed then. */
  start(): Promise<GatewayAddresses>;
  /** All conditions, problems and parts, as `/status` serves them. */
  status(): unknown;
  /** Resource counts, for people. */
  summary(): string;
  readonly metrics: Metrics;
  readonly authorizer: Authorizer;
  readonly envoyPid: number | undefined;
  /** Drains, then ends every part. Safe to call more than once. */
  close(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;

export function createGateway(options: GatewayOptions): Gateway {
  const { config, folder, log, onAccessLog, clock = systemClock } = options;
  const monitored = createMonitoredProcess({ config, parts: ['configuration', 'authorizer', 'envoy'], log });
  const { metrics, health, versions, onClose } = monitored;
  const stopping = new AbortController();

  const store = createCounterStore({
    config,
    clock,
    metrics,
    log: log.child({ component: 'limiter' }),
    onHealthChange: () => controllerRef?.onLimiterChange(),
  });
  const authorizer = createAuthorizer({
    store,
    clock,
    random: randomUUID,
    metrics: observeChecks(metrics),
    logger: log.child({ component: 'authorizer' }),
  });
  const provider = createFileProvider({
    folder: options.folderPath,
    stateFolder: options.stateFolder,
    ...logFolder(log),
    clock,
  });
  const reporter = createChangeReporter({
    log,
    locate: (object, path) => provider.locate(object, path),
    source: folder,
  });
  let envoyMessage = 'starting';
  let isServing = false;
  let isBuilt = false;
  /** Why what is served may be less than what was written. */
  let unread: string | undefined;
  /** What has become of an Envoy that died: its end is not seen by all parts at once. */
  let lost: 'Exited' | 'Gone' | undefined;
  const ads = createAdsServer({ onNode: (event) => controllerRef?.onNode('envoy', event), clock });
  let controllerRef: ReturnType<typeof createController> | undefined;
  let envoyRef: ReturnType<typeof createEnvoyProcess> | undefined;

  async function start(): Promise<GatewayAddresses> {
    const { httpAddress, httpPort, httpsPort } = config;
    const adminUrl = await monitored.startAdmin(status);
    onClose(() => store.close());
    // Envoy shares ports with others of its user, so a second gateway would take half of the requests in silence.
    await assertFree(httpAddress, httpPort, '--http-port');
    if (httpsPort !== undefined) await assertFree(httpAddress, httpsPort, '--https-port');
    checkPemFiles(config);
    const envoyFound = findEnvoy({ configured: config.envoy, log: (line) => log.info(line) });
    envoyFound.catch(() => undefined);

    const sockets = await mkdtemp(join(tmpdir(), 'countersign-'));
    onClose(() => rm(sockets, { recursive: true, force: true }));
    const [adsSocket, authzSocket, envoyAdminSocket, bootstrapPath] = [
      'ads.sock',
      'authz.sock',
      'envoy.sock',
      'envoy.pb',
    ].map((name) => join(sockets, name)) as [string, string, string, string];

    const keyState = await openKeyState(options.stateFolder, logKeyState(log), clock);
    const controller = createController({
      context: { ...translateContext(config), singleOwner: true },
      renderOptions: renderOptions(config),
      keyState,
      authorizers: createLocalAuthorizers(authorizer),
      envoys: ads,
      limiter: store,
      nodeLossMs: config.nodeLossTimeMs,
      metrics,
      log,
      clock,
      onChange: (change) => {
        reporter.report(change);
        updateHealth();
      },
    });
    controllerRef = controller;
    onClose(() => controller.close());
    await provider.start((publication) => {
      reporter.setPublication(publication);
      unread = tellUnread(publication);
      controller.setResources(publication.resources);
      if (isBuilt) updateHealth();
    });
    onClose(() => provider.close());
    await withinReason(controller.built, 'the configuration to be read');
    isBuilt = true;
    updateHealth();

    const transport = createGrpcTransport({
      address: { socketPath: authzSocket },
      check: (request) => authorizer.check(request),
      ready: () => authorizer.ready,
      trustsProxies: config.trustedHops > 0,
      onError: (error) =>
        log.error({ component: 'authorizer', error: errorMessage(error) }, 'a check could not be answered'),
    });
    await transport.listen();
    onClose(() => transport.drain(config.drainTimeMs));
    health.set('authorizer', true);
    await ads.listen(`unix:${adsSocket}`);
    onClose(() => ads.close());

    const bootstrap = renderBootstrap({
      nodeId: 'envoy',
      nodeCluster: 'countersign',
      adminSocketPath: envoyAdminSocket,
      xds: { socketPath: adsSocket },
      authorizerSocketPaths: [authzSocket],
      maxDownstreamConnections: DEFAULT_MAX_DOWNSTREAM_CONNECTIONS,
    });
    await writeFile(bootstrapPath, toBinary(BootstrapSchema, bootstrap), { mode: 0o600 });
    const { path, version } = await envoyFound;
    const envoy = createEnvoyProcess({
      path,
      bootstrapPath,
      adminSocket: envoyAdminSocket,
      concurrency: config.envoyConcurrency,
      log: log.child({ component: 'envoy' }),
      onAccessLog: onAccessLogLine,
      onExit: (message) => {
        metrics.envoyRestarts.inc();
        lost = 'Exited';
        envoyMessage = `Envoy ${message}; it is being restarted`;
        updateHealth();
      },
    });
    envoyRef = envoy;
    onClose(() => envoy.close(config.drainTimeMs));
    await envoy.start();
    log.debug({ version, pid: envoy.pid }, 'Envoy started');
    await withinReason(listening(httpAddress, httpPort), `Envoy to listen on ${httpAddress}:${String(httpPort)}`);
    if (httpsPort !== undefined)
      await withinReason(listening(httpAddress, httpsPort), `Envoy to listen on ${httpAddress}:${String(httpsPort)}`);
    await withinReason(becomesReady(), 'Envoy to acknowledge its configuration');
    if (controller.entries.length === 0 && reporter.problems.length === 0) log.warn(`${folder}: ${EMPTY_FOLDER}`);
    if (unread !== undefined) log.warn(`not ready for others (/readyz): ${unread}`);
    if (store.mode === 'Memory')
      log.info('limits are kept in memory and begin anew with each start: --redis-url keeps and shares them');
    return {
      http: `http://${hostPort(reachable(httpAddress), httpPort)}`,
      https: httpsPort === undefined ? undefined : `https://${hostPort(reachable(httpAddress), httpsPort)}`,
      admin: adminUrl,
    };
  }

  function onAccessLogLine(line: string): void {
    const parsed = parseAccessLogLine(line);
    if (!parsed) return log.debug({ component: 'envoy' }, line);
    if (parsed.refusedBy) metrics.gatewayRefusals.inc({ reason: parsed.refusedBy });
    onAccessLog(parsed.entry);
  }

  /** The Envoy that is connected now holds the current configuration, or once held one since it started. */
  function updateHealth(): void {
    const connected = ads.nodes.length > 0;
    const serving = connected && controllerRef?.served === true;
    if (lost === 'Exited' && !serving) lost = 'Gone';
    if (lost === 'Gone' && serving) {
      lost = undefined;
      log.info('Envoy is back');
    }
    isServing = serving;
    if (isBuilt) health.set('configuration', unread === undefined, unread);
    health.set('envoy', serving, connected ? 'has not acknowledged its configuration' : envoyMessage);
  }

  /** Files that cannot be read keep nobody from the others: `/readyz` tells of them. */
  async function becomesReady(): Promise<void> {
    while (!isServing) {
      stopping.signal.throwIfAborted();
      await delay(10);
    }
  }

  async function listening(address: string, port: number): Promise<void> {
    const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
    while (!(await accepts(host, port))) {
      stopping.signal.throwIfAborted();
      await delay(20);
    }
  }

  /** @throws AppError when `wanted` takes too long, with what stands in the way. */
  async function withinReason<T>(wanted: Promise<T>, what: string): Promise<T> {
    const timeout = new AbortController();
    const late = delay(READY_WITHIN_MS, undefined, { signal: AbortSignal.any([timeout.signal, stopping.signal]) }).then(
      () => {
        throw new AppError(
          'ERR_START',
          `waited ${String(READY_WITHIN_MS / 1000)} s for ${what} (${health.missing().join('; ')})`,
        );
      },
    );
    try {
      return await Promise.race([wanted, late]);
    } finally {
      timeout.abort();
      late.catch(() => undefined);
    }
  }

  function status(): unknown {
    return {
      ready: health.ready,
      missing: health.missing(),
      versions,
      snapshot: ads.snapshot.version,
      envoy: { pid: envoyRef?.pid, version: ads.nodes[0]?.version, connected: ads.nodes.length > 0 },
      limiter: { mode: store.mode, ...store.health() },
      problems: reporter.problems,
      resources: (controllerRef?.entries ?? []).map(({ object, fields, conditions }) => ({
        ...object,
        ...(reporter.kept.has(`${object.kind}/${object.namespace}/${object.name}`) && {
          edit: 'refused; the version before stays in service',
        }),
        status: { ...fields, conditions },
      })),
    };
  }

  return {
    metrics,
    authorizer,
    status,
    get envoyPid() {
      return envoyRef?.pid;
    },
    summary() {
      return summarize(controllerRef?.model ?? EMPTY_MODEL, reporter.problems.length);
    },
    async start() {
      try {
        return await start();
      } catch (error) {
        await this.close();
        throw error;
      }
    },
    close() {
      stopping.abort();
      return monitored.close();
    },
  };
}

const notOurs = (address: string, flag: string, cause: Error): AppError =>
  new AppError('ERR_ADDRESS_IN_USE', `${address} is no address of this machine; choose another with ${flag}`, {
    cause,
  });

async function assertFree(address: string, port: number, flag: string): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRNOTAVAIL') return reject(notOurs(address, '--http-address', error));
      const why =
        error.code === 'EADDRINUSE'
          ? 'is in use by another program'
          : error.code === 'EACCES'
            ? 'needs more rights'
            : error.message;
      reject(
        new AppError('ERR_ADDRESS_IN_USE', `port ${String(port)} on ${address} ${why}; choose another with ${flag}`, {
          cause: error,
        }),
      );
    });
    probe.listen(port, address, resolve);
  });
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const answer = (value: boolean) => () => {
      socket.destroy();
      resolve(value);
    };
    socket.once('connect', answer(true)).once('error', answer(false));
  });
}

/** An address to ask from this machine. */
const reachable = (address: string): string => (address === '0.0.0.0' || address === '::' ? 'localhost' : address);
