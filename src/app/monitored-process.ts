/** What every process with an admin address has: metrics, readiness by parts, `/status`, and an orderly end. */
import type { Config } from '../config/settings.js';
import { errorMessage } from '../lib/errors.js';
import { createAdminServer } from '../telemetry/admin-server.js';
import { createHealth, type Health } from '../telemetry/health.js';
import type { Logger } from '../telemetry/logger.js';
import { createMetrics, type Metrics } from '../telemetry/metrics.js';
import { readVersions } from './versions.js';

export interface MonitoredProcessOptions {
  readonly config: Pick<Config, 'adminAddress' | 'adminPort'>;
  /** Of readiness. */
  readonly parts: readonly string[];
  readonly log: Logger;
}

export interface MonitoredProcess {
  readonly metrics: Metrics;
  readonly health: Health;
  readonly versions: ReturnType<typeof readVersions>;
  /**
   * Goes first, so that `/livez` answers and `/readyz` tells what the rest waits for.
   * @param status as `/status` serves it. @returns the base URL. @throws AppError `ERR_ADDRESS_IN_USE`.
   */
  startAdmin(status: () => unknown): Promise<string>;
  /** Undo of what has been started. */
  readonly onClose: (undo: () => Promise<void> | void) => void;
  /** Not ready from now on; undoes everything, the newest first. What fails is logged. Safe to call more than once. */
  close(): Promise<void>;
}

export function createMonitoredProcess({ config, parts, log }: MonitoredProcessOptions): MonitoredProcess {
  const metrics = createMetrics({ processMetrics: true });
  const health = createHealth(parts);
  const versions = readVersions();
  metrics.buildInfo.set({ version: versions.countersign, node: versions.node }, 1);
  const undos: (() => Promise<void> | void)[] = [];
  let closed: Promise<void> | undefined;

  async function undoAll(): Promise<void> {
    for (const part of parts) health.set(part, false, 'stopping');
    // A start that is under way may add to it meanwhile.
    for (let undo = undos.pop(); undo; undo = undos.pop()) {
      try {
        await undo();
      } catch (error) {
        log.error({ error: errorMessage(error) }, 'a part did not end cleanly');
      }
    }
  }

  return {
    metrics,
    health,
    versions,
    async startAdmin(status) {
      const { adminAddress: address, adminPort: port } = config;
      const admin = createAdminServer({ address, port, health, metrics, status, version: versions });
      const url = await admin.start();
      undos.push(() => admin.close());
      return url;
    },
    onClose: (undo) => void undos.push(undo),
    close: () => (closed ??= undoAll()),
  };
}
