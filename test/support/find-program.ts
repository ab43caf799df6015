import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a program in KUBEBUILDER_ASSETS (as setup-envtest fills it) or on PATH; `undefined` = not found. */
export function findProgram(name: string): string | undefined {
  for (const folder of [process.env['KUBEBUILDER_ASSETS'], ...(process.env['PATH'] ?? '').split(delimiter)]) {
    if (!folder) continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      continue;
    }
  }
  return undefined;
}
