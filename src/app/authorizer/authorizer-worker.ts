/**
 * One authorizer process: policy from the controller, checks on a socket or port of its own. It opens with the first
 * policy, so that Envoy never asks an authorizer that knows nothing, and closes after a wait in which health says so.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAuthorizer } from '../../authz/authorizer.js';
import { createGrpcTransport } from '../../authz/transport/grpc.js';
import type { TransportAddress, TransportTls } from '../../authz/transport/transport.js';
import type { Config } from '../../config/settings.js';
import { systemClock, type Clock } from '../../lib/clock.js';
import { errorMessage } from '../../lib/errors.js';
import type { Model } from '../../model/model.js';
import type { Epoch } from '../../policy/decode.js';
import { PolicyStaging } from '../../policy/staging.js';
import type { Logger } from '../../telemetry/logger.js';
import { createMetrics, type Metrics } from '../../telemetry/metrics.js';
import { createPolicyClient } from './authorizer-policy.js';
import { createCounterStore } from '../counter-store.js';
import { observeChecks } from './observe-checks.js';
import { admitsText } from '../peer-names.js';
import { readVersions } from '../versions.js';
import { openXdsTlsFiles } from '../xds-tls-files.js';
import type { TlsFiles } from '../../xds/server/tls-files.js';

export interface AuthorizerWorkerOptions {
  readonly config: Config;
  /** 0, 1, … */
  readonly index: number;
  /** The highest policy revision that a predecessor of this process has seen. */
  readonly seenRevision: number;
  readonly log: Logger;
  readonly onState: (state: WorkerState) => void;
}

/** What a supervisor knows of a worker. Plain data: it crosses a process border. */
export interface WorkerState {
  readonly pid: number;
  readonly ready: boolean;
  readonly message: string;
  /** Of the policy; 0 before the first. */
  readonly revision: number;
  readonly connected: boolean;
  readonly limiter: { readonly mode: string; readonly healthy: boolean; readonly message: string };
}

export interface AuthorizerWorker {
  /** Resolves when the worker is under way; it is ready with the first policy. @throws AppError for bad TLS files. */
  start(): Promise<void>;
  readonly state: WorkerState;
  readonly metrics: Metrics;
  /** Says that it leaves, waits, finishes what is in flight. */
  close(): Promise<void>;
}

/** Envoy's health checks need this long to see NOT_SERVING; meanwhile everything is still answered. */
const LEAVE_MS = 1_500;

export const socketPathOf = (config: Pick<Config, 'socketDir'>, index: number): string =>
  join(config.socketDir, `authz-${index}.sock`);

/** Where worker `index` answers checks. */
function addressOf(config: Config, index: number): TransportAddress {
  return config.authzPort === undefined
    ? { socketPath: socketPathOf(config, index) }
    : { host: config.authzAddress, port: config.authzPort + index };
}

const addressText = (address: TransportAddress): string =>
  'socketPath' in address ? address.socketPath : `${address.host} port ${address.port}`;

export const nodeIdOf = (config: Pick<Config, 'nodeId'>): string => config.nodeId ?? hostname();

const WARN_EVERY_MS = 60_000;

/** Each kind at most once a minute: who can connect could fill the log otherwise. Kinds are a closed set. */
function warnOncePerMinute(clock: Clock, log: Logger): (kind: string, message: string) => void {
  const lastMs = new Map<string, number>();
  return (kind, message) => {
    const nowMs = clock();
    if (nowMs - (lastMs.get(kind) ?? Number.NEGATIVE_INFINITY) < WARN_EVERY_MS) return;
    lastMs.set(kind, nowMs);
    log.warn(message);
  };
}

export function createAuthorizerWorker(options: AuthorizerWorkerOptions): AuthorizerWorker {
  const { config, index, seenRevision, log, onState } = options;
  const clock = systemClock;
  const metrics = createMetrics({ processMetrics: true });
  const versions = readVersions();
  metrics.buildInfo.set({ version: versions.countersign, node: versions.node }, 1);
  /** Undo of what has been started, newest last. */
  const closers: (() => Promise<void> | void)[] = [];
  const staging = new PolicyStaging(seenRevision);
  let listening: Promise<void> | undefined;
  let isListening = false;
  let leaving = false;
  let connected = false;
  let message = 'waiting for the first policy';

  const store = createCounterStore({
    config,
    clock,
    metrics,
    log: log.child({ component: 'limiter' }),
    onHealthChange: tell,
  });
  const authorizer = createAuthorizer({
    store,
    clock,
    random: randomUUID,
    metrics: observeChecks(metrics),
    logger: log,
  });
  const address = addressOf(config, index);
  const warn = warnOncePerMinute(clock, log);
  let tlsFiles: TlsFiles | undefined;
  const tls: TransportTls = {
    files: () => tlsFiles!.files,
    onRenewal: (listener) => tlsFiles!.onRenewal(listener),
    admits: admitsText(config.envoyNames),
    onRefused: (message) => warn('connection', `refused at --authz-port: ${message}`),
  };
  const transport = createGrpcTransport({
    address,
    ...(config.authzPort !== undefined && config.authzTls === 'on' ? { tls } : {}),
    check: (request) => authorizer.check(request),
    ready: () => authorizer.ready && !leaving,
    trustsProxies: config.trustedHops > 0,
    onError: (error) => log.error({ error: errorMessage(error) }, 'a check could not be answered'),
    onUnsafe: (fault) => warn(fault, `refused as unsafe_gateway: ${fault}`),
  });

  function stateNow(): WorkerState {
    const { healthy, message: limiterMessage = '' } = store.health();
    return {
      pid: process.pid,
      ready: isListening && !leaving,
      message,
      revision: staging.revision,
      connected,
      limiter: { mode: store.mode, healthy, message: limiterMessage },
    };
  }
  function tell(): void {
    onState(stateNow());
  }

  function take(model: Model, epoch: Epoch): void {
    authorizer.setModel(
      model,
      epoch.retired?.map(({ route, apis }) => ({ route, apis: new Set(apis), retired: true })),
    );
    authorizer.setAuthorizers(epoch.authorizers);
    if (epoch.routesHeld) authorizer.dropRetired();
    metrics.policyRevision.set(epoch.revision);
    listening ??= listen();
    tell();
  }

  async function listen(): Promise<void> {
    try {
      await transport.listen();
      isListening = true;
      message = 'ready';
      log.info({ address: addressText(address) }, 'ready');
    } catch (error) {
      message = errorMessage(error);
      log.error(`${addressText(address)} cannot be opened: ${message}`);
      listening = undefined;
    }
    tell();
  }

  return {
    metrics,
    get state() {
      return stateNow();
    },
    async start() {
      closers.push(() => store.close());
      const files = (tlsFiles = await openXdsTlsFiles(config, log));
      closers.push(() => files.close());
      const client = createPolicyClient({
        controller: config.controllerAddress,
        tls: { files, serverName: config.controllerName },
        nodeId: `${nodeIdOf(config)}/${index}`,
        version: versions.countersign,
        atPort: config.authzPort !== undefined,
        staging,
        onPolicy: take,
        onConnected: (now) => {
          connected = now;
          tell();
        },
        log,
      });
      closers.push(() => client.close());
      client.start();
      tell();
    },
    async close() {
      leaving = true;
      message = 'leaving';
      tell();
      if (isListening) {
        const waitMs = Math.min(LEAVE_MS, config.drainTimeMs / 2);
        await delay(waitMs);
        await transport.drain(config.drainTimeMs - waitMs);
      }
      for (const close of closers.reverse()) await close();
    },
  };
}
