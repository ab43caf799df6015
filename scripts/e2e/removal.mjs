// What an uninstalled release leaves, and that the rest can be removed too.
import { NAMESPACE } from './installation.mjs';
import { eventually } from './shell.mjs';

const ALLOWED = [
  /^apiextensions\.k8s\.io\/v1 CustomResourceDefinition - \w+\.countersign\.dev$/,
  /^apiregistration\.k8s\.io\/v1 APIService - v1alpha1\.countersign\.dev$/,
  /^countersign\.dev\/v1alpha1 \w+ \S+ \S+$/,
  // What README and the conformance suite applied, and what Kubernetes makes of it: namespaces, key Secrets, backends.
  /^v1 Namespace - (?!kube-)\S+$/,
  new RegExp(
    `^(v1 (Secret|ConfigMap|Service|Pod|Endpoints)|apps/v1 (Deployment|ReplicaSet)|discovery\\.k8s\\.io/v1 EndpointSlice)` +
      ` (?!(${NAMESPACE}|default|kube-\\S+|-) )\\S+ \\S+$`,
  ),
  // What Kubernetes puts into every namespace.
  /^v1 (ConfigMap \S+ kube-root-ca\.crt|ServiceAccount \S+ default)$/,
];

/** @param {Set<string>} before the inventory before the installation */
export async function checkLeft(cluster, before) {
  await eventually(
    async () => {
      const added = [...(await cluster.inventory())].filter((row) => !before.has(row));
      const left = added.filter((row) => !ALLOWED.some((each) => each.test(row)));
      if (left.length > 0) throw new Error(`left:\n${left.join('\n')}`);
    },
    { withinMs: 30_000, everyMs: 1_000 },
  );
  const secrets = await cluster.json('get secrets -n mobile');
  const isGenerated = ({ type, metadata }) =>
    type === 'countersign.dev/signature-key' && metadata.name.startsWith('new-partner');
  if (!secrets.items.some(isGenerated)) throw new Error('the Secret of the generated key is gone');
  const { items } = await cluster.json('get signaturekeys -A');
  return `${items.length} keys and the Secret of the generated one are there`;
}

export async function removeRest(cluster, before) {
  const lines = async (command) => (await cluster.kubectl(command)).trim().split('\n');
  const namespaces = (await lines('get namespaces -o name')).filter(
    (name) => !before.has(`v1 Namespace - ${name.slice('namespace/'.length)}`),
  );
  await cluster.kubectl(`delete ${namespaces.join(' ')} --wait=false`);
  const definitions = (await lines('get customresourcedefinitions -o name')).filter((name) =>
    name.endsWith('.countersign.dev'),
  );
  await cluster.kubectl(`delete ${definitions.join(' ')} --timeout=60s`);
  await cluster.kubectl(`wait --for=delete ${namespaces.join(' ')} --timeout=90s`);
  const left = [...(await cluster.inventory())].filter((row) => !before.has(row));
  if (left.length > 0) throw new Error(`left:\n${left.join('\n')}`);
}
