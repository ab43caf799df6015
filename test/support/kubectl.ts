/** The real kubectl, of KUBEBUILDER_ASSETS or PATH. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

export interface KubectlResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl with these arguments and text on stdin. */
export type Kubectl = (args: readonly string[], stdin?: string) => Promise<KubectlResult>;

/** The executable, or one line that says what is missing. */
export function findKubectl(environment: NodeJS.ProcessEnv = process.env): { readonly path: string } | string {
  for (const folder of [environment['KUBEBUILDER_ASSETS'], ...(environment['PATH'] ?? '').split(delimiter)]) {
    if (!folder) continue;
    try {
      accessSync(join(folder, 'kubectl'), constants.X_OK);
      return { path: join(folder, 'kubectl') };
    } catch {
      continue;
    }
  }
  return 'kubectl found neither in KUBEBUILDER_ASSETS nor on PATH';
}

/** kubectl with a kubeconfig. Its caches go beside that file. */
export function createKubectl(path: string, kubeconfig: string): Kubectl {
  const fixed = ['--kubeconfig', kubeconfig, '--cache-dir', join(dirname(kubeconfig), 'cache')];
  return (args, stdin) =>
    new Promise((resolve) => {
      const child = execFile(path, [...fixed, ...args], { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) =>
        resolve({ exitCode: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr }),
      );
      child.stdin?.end(stdin ?? '');
    });
}
