/** Certificates of the connection between controller, authorizers and Envoys, followed on disk; each renewal is logged. */
import type { Config } from '../config/settings.js';
import type { Logger } from '../telemetry/logger.js';
import { openTlsFiles, type TlsFiles } from '../xds/server/tls-files.js';

export const openXdsTlsFiles = (config: Pick<Config, 'xdsCert' | 'xdsKey' | 'xdsCa'>, log: Logger): Promise<TlsFiles> =>
  openTlsFiles({
    certificatePath: config.xdsCert,
    privateKeyPath: config.xdsKey,
    caPath: config.xdsCa,
    onReload: (error) =>
      error === undefined ? log.info('certificates renewed') : log.error(`certificates not renewed: ${error}`),
  });
