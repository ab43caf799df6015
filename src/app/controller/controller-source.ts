/** Where a controller's objects come from, who of several controllers acts, and where conditions are written. */
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.js';
import { errorMessage } from '../../lib/errors.js';
import { createFileProvider, type FileProviderOptions } from '../../provider/file/file-provider.js';
import type { Provider } from '../../provider/provider.js';
import type { Logger } from '../../telemetry/logger.js';
import type { ObjectStatus, TranslateContext } from '../../translate/translation.js';
import type { TlsFiles } from '../../xds/server/tls-files.js';
import { logKeyState, openKeyState, type KeyState } from './key-state.js';
import type { ExpectedNode } from './node-tracker.js';

export interface LeadershipEvents {
  /** @param handover what the leader before left. */
  readonly onGained: (handover: string | undefined) => void;
  readonly onLost: (reason: string) => void;
}

/** Which replica acts. */
export interface Leadership {
  /** `onLost` must have taken effect when it returns: another replica leads from then on. */
  start(events: LeadershipEvents): void;
  /** Judged at each call; asked before everything that only a leader may do. */
  readonly isLeader: boolean;
  /** Leaves a text for the next leader. */
  handOver?(text: string): void;
  /** Gives it back, so that another replica need not wait. */
  close(): Promise<void>;
}

/** Where users look for conditions. Called on the leader only. */
export interface StatusSink {
  /** The statuses of all objects after a change, by `Kind/namespace/name`. */
  update(statuses: ReadonlyMap<string, ObjectStatus>): void;
  /** A node vanished and is no longer expected (Event DataPlaneLost). */
  nodeLost(node: ExpectedNode): void;
  close(): Promise<void>;
}

export interface ControllerSource {
  /** For messages: the folder as the user wrote it, or the cluster. */
  readonly name: string;
  readonly provider: Provider;
  readonly context: Omit<TranslateContext, 'nowMs'>;
  /** What has not been read yet, for `/readyz`. */
  readonly missing?: () => readonly string[];
  /** Resolves when what was read is as new as this call. A replica asks when it begins to lead. */
  readonly refresh?: () => Promise<void>;
  /** Absent: certificates of xDS are files. */
  readonly openCertificates?: () => Promise<
    Pick<TlsFiles, 'serverCredentials' | 'onRenewal'> & { close(): Promise<void> | void }
  >;
  /** Generated keys: the resources with their Secrets. On a replica that does not lead it only reads. */
  readonly keys: Pick<KeyState, 'complete'>;
  readonly leadership: Leadership;
  /** Absent: conditions are in the log and at `/status`. */
  readonly statusSink?: StatusSink;
  close?(): Promise<void> | void;
}

export interface FolderSourceOptions {
  readonly context: Omit<TranslateContext, 'nowMs'>;
  readonly folder: string;
  /** Of generated keys and of who was there first; default `.countersign` in the folder. */
  readonly stateFolder: string | undefined;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What goes wrong with the folder itself. */
export const logFolder = (log: Logger): Pick<FileProviderOptions, 'onError' | 'onForgetful'> => ({
  onError: (error) => log.error({ error: errorMessage(error) }, 'the folder cannot be read'),
  onForgetful: (message) =>
    log.warn(
      `who was in the folder first is not known after a restart, where names decide then between two that claim the same: ${message}`,
    ),
});

/** A folder of YAML, one controller. */
export async function openFolderSource({
  context,
  folder,
  stateFolder,
  log,
  clock,
}: FolderSourceOptions): Promise<ControllerSource> {
  const state = stateFolder ?? join(folder, '.countersign');
  const keys = await openKeyState(state, logKeyState(log), clock);
  return {
    name: folder,
    context: { ...context, singleOwner: true },
    provider: createFileProvider({ folder, stateFolder: state, ...logFolder(log), clock }),
    keys,
    leadership: alwaysLeading(),
  };
}

function alwaysLeading(): Leadership {
  let isLeader = false;
  return {
    start({ onGained }) {
      isLeader = true;
      onGained(undefined);
    },
    get isLeader() {
      return isLeader;
    },
    async close() {
      isLeader = false;
    },
  };
}
