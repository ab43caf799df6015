// The cluster that the context names, through kubectl and helm. Everything runs with a kubeconfig of that context
// alone, so that the commands of README.md, which name no context, reach this cluster and no other.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './shell.mjs';

/** @param {{ context: string, kubeconfig?: string, folder: string }} options */
export async function connect({ context, kubeconfig, folder }) {
  const given = kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig];
  const own = join(folder, 'kubeconfig');
  const view = ['config', 'view', '--raw', '--minify', '--flatten'];
  const text = await run('kubectl', [...view, ...given, '--context', context]);
  writeFileSync(own, text, { mode: 0o600 });
  const env = { ...process.env, KUBECONFIG: own };

  /** Arguments as a list, or as a text of words without spaces in them. */
  const words = (args) => (typeof args === 'string' ? args.split(' ') : args);
  const kubectl = (args, options) => run('kubectl', words(args), { env, ...options });
  const json = async (args) => JSON.parse(await kubectl([...words(args), '-o', 'json']));
  return {
    env,
    kubeconfig: own,
    kubectl,
    json,
    helm: (args, options) => run('helm', words(args), { env, ...options }),
    apply: (objects) =>
      kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) }),
    /** Names of running pods of this selector that are not on their way out, oldest first. */
    async pods(namespace, selector) {
      const { items } = await json(`get pods -n ${namespace} -l ${selector} --sort-by=.metadata.creationTimestamp`);
      return items.filter((pod) => !pod.metadata.deletionTimestamp).map((pod) => pod.metadata.name);
    },
    /** Every object as kind.group/namespace/name, without what comes and goes by itself. */
    async inventory() {
      const found = new Set();
      for (const namespaced of [true, false]) {
        const types = (await kubectl(['api-resources', '--verbs=list', `--namespaced=${namespaced}`, '-o', 'name']))
          .trim()
          .split('\n')
          .filter((type) => !TRANSIENT.has(type));
        const rows = await kubectl([
          'get',
          types.join(','),
          ...(namespaced ? ['-A'] : []),
          '--ignore-not-found',
          '-o',
          `go-template={{range .items}}{{.apiVersion}} {{.kind}} {{or .metadata.namespace "-"}} {{.metadata.name}}{{"\\n"}}{{end}}`,
        ]);
        for (const row of rows.trim().split('\n')) if (row !== '' && !row.includes(' kube-node-lease ')) found.add(row);
      }
      return found;
    },
  };
}

/** Come and go with others: with time, nodes and Services. */
const TRANSIENT = new Set(['events', 'events.events.k8s.io', 'componentstatuses', 'ipaddresses.networking.k8s.io']);
