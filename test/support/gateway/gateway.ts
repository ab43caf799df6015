/** The real composition for tests: a folder of YAML, every part in this process, a child Envoy on free ports. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { AccessLogEntry } from '../../../src/app/gateway/access-log.js';
import { createGateway, type Gateway } from '../../../src/app/gateway/gateway.js';
import { loadConfig, type Flags } from '../../../src/config/load.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { eventually } from '../eventually.js';
import { freePort } from '../ports.js';

/** File name → YAML text; `null` removes the file. */
export type Files = Readonly<Record<string, string | null>>;

export interface TestGatewayOptions {
  readonly files: Files;
  /** Flags by their key: `{ redisUrl: …, service: ['shop/orders:8080=127.0.0.1:1234'] }`. */
  readonly flags?: Flags;
  readonly clock?: () => number;
}

export interface TestGateway {
  readonly httpUrl: string;
  /** With the flags `httpsPort`, `tlsCert` and `tlsKey`. */
  readonly httpsUrl: string | undefined;
  readonly httpPort: number;
  readonly adminUrl: string;
  /** Folder of the manifests; the state folder is `.countersign` in it. */
  readonly folder: string;
  readonly gateway: Gateway;
  /** Access log entries, oldest first. */
  readonly accessLog: readonly AccessLogEntry[];
  /** Log entries as pino writes them. */
  readonly logs: readonly LogEntry[];
  /** Changes files and returns at once; wait for what the test is about with `eventually`. */
  edit(files: Files): Promise<void>;
  /** The entry of a request by its `x-request-id`. */
  accessLogOf(requestId: string): Promise<AccessLogEntry>;
  /** `/status` as data. */
  status(): Promise<GatewayStatus>;
  close(): Promise<void>;
}

export interface LogEntry {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface GatewayStatus {
  readonly ready: boolean;
  readonly problems: readonly {
    readonly file: string;
    readonly line: number;
    readonly severity: string;
    readonly reason: string;
    readonly path: string;
    readonly message: string;
  }[];
  readonly resources: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly status: {
      readonly conditions: readonly {
        readonly type: string;
        readonly status: string;
        readonly reason: string;
        readonly message: string;
      }[];
      readonly [field: string]: unknown;
    };
  }[];
}

/** Resolves when the gateway serves. Close it in `afterAll`. */
export async function startGateway({ files, flags = {}, clock }: TestGatewayOptions): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-gateway-'));
  await writeFiles(folder, files);
  const accessLog: AccessLogEntry[] = [];
  const logs: LogEntry[] = [];
  const [httpPort, adminPort] = [await freePort(), await freePort()];
  const config = loadConfig({
    flags: {
      httpPort: String(httpPort),
      adminPort: String(adminPort),
      envoyConcurrency: '1',
      drainTime: '1s',
      // Gateway and tests share this process: a busy machine must not look like an authorizer that is away.
      authorizerTimeout: '5s',
      ...flags,
    },
    // The machine's own variables (a proxy, a COUNTERSIGN_…) must not change a test.
    environment: process.env['COUNTERSIGN_ENVOY'] ? { COUNTERSIGN_ENVOY: process.env['COUNTERSIGN_ENVOY'] } : {},
    workingFolder: folder,
  });
  const gateway = createGateway({
    config,
    folder,
    folderPath: folder,
    stateFolder: config.stateDir ?? join(folder, '.countersign'),
    log: createLogger({
      level: flags.logLevel === 'trace' ? 'trace' : 'debug',
      format: 'json',
      write: (line) => void logs.push(JSON.parse(line) as LogEntry),
    }),
    onAccessLog: (entry) => void accessLog.push(entry),
    ...(clock ? { clock } : {}),
  });
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  let addresses;
  try {
    addresses = await gateway.start();
  } catch (error) {
    await removeFolder();
    const told = logs.filter(({ level }) => level !== 'debug').map(({ msg }) => msg);
    throw new Error(
      `the gateway did not start: ${error instanceof Error ? error.message : String(error)}\n${told.join('\n')}`,
      { cause: error },
    );
  }
  const { http, https, admin } = addresses;
  return {
    httpUrl: http,
    httpsUrl: https,
    httpPort: config.httpPort,
    adminUrl: admin,
    folder,
    gateway,
    accessLog,
    logs,
    edit: (changed) => writeFiles(folder, changed),
    accessLogOf: (requestId) =>
      eventually(() => {
        const entry = accessLog.find((each) => each['request_id'] === requestId);
        if (!entry) throw new Error(`no access log entry of request ${requestId}`);
        return entry;
      }),
    status: async () => (await (await fetch(`${admin}/status`)).json()) as GatewayStatus,
    async close() {
      await gateway.close();
      await removeFolder();
    },
  };
}

async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    if (text === null) await rm(path, { force: true });
    else {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  }
}
