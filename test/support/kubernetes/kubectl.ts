/** The real kubectl. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { findProgram } from '../find-program.js';

export interface KubectlResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl with these arguments and text on stdin. */
export type Kubectl = (args: readonly string[], stdin?: string) => Promise<KubectlResult>;

/** The executable, or one line that says what is missing. */
export function findKubectl(): { readonly path: string } | string {
  const path = findProgram('kubectl');
  return path === undefined ? 'kubectl found neither in KUBEBUILDER_ASSETS nor on PATH' : { path };
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
