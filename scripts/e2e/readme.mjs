// The commands of README.md, section "On Kubernetes": run as they stand but for the names of images.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from './shell.mjs';

/** Blocks by the name in the comment before each. */
export function readBlocks(text) {
  const section = text.slice(text.indexOf('\n## On Kubernetes\n')).split(/\n## (?!On Kubernetes)/)[0];
  const blocks = {};
  for (const [, name, body] of section.matchAll(/<!-- e2e: (\w+) -->\s+```sh\n([^]*?)```/g)) blocks[name] = body.trim();
  return blocks;
}

/**
 * @param {{ root: string, env: NodeJS.ProcessEnv, folder: string, valueArgs: readonly string[], backendImage?: string }} options
 * @returns {(name: string) => Promise<string>} runs a block, answers its output
 */
export function createReadme({ root, env, folder, valueArgs, backendImage }) {
  const blocks = readBlocks(readFileSync(join(root, 'README.md'), 'utf8'));
  const quoted = valueArgs.map((arg) => `'${arg}'`).join(' ');

  function withImages(command) {
    // A shorter wait than Helm's own, so that a broken installation is told before the run is stopped.
    if (/^helm (install|upgrade) /.test(command)) return `${command} --timeout 150s ${quoted}`;
    const folderOfBackend = /^kubectl apply -k (\S+)$/.exec(command)?.[1];
    if (folderOfBackend === undefined || backendImage === undefined) return command;
    const overlay = join(folder, 'backend');
    mkdirSync(overlay, { recursive: true });
    const [name, tag] = backendImage.split(/:(?=[^:/]+$)/);
    const image = { name: 'docker.io/library/node', newName: name, newTag: tag };
    const resources = [relative(overlay, join(root, folderOfBackend))];
    writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify({ resources, images: [image] }));
    return `kubectl apply -k '${overlay}'`;
  }

  return async (name) => {
    const block = blocks[name];
    if (block === undefined) throw new Error(`README.md has no block "${name}"`);
    const commands = block.split('\n').map(withImages).join('\n');
    // What a block starts in the background ends with it.
    return run('bash', ['-euo', 'pipefail', '-c', `trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n${commands}`], {
      env,
      cwd: root,
      timeoutMs: 180_000,
    });
  };
}
