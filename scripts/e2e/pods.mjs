// Pods of the installation: rolled, ended and replaced.
import { ADMIN_PORT, CONTROLLER, DEPLOYMENTS, NAMESPACE, selectorOf } from './installation.mjs';
import { eventually } from './shell.mjs';

export function createPods(cluster) {
  const inNamespace = `-n ${NAMESPACE}`;

  /** As many pods as wanted are ready, and those before them are gone. */
  async function settled(component) {
    await cluster.kubectl(`rollout status deployment/${DEPLOYMENTS[component]} ${inNamespace} --timeout=180s`);
    await eventually(
      async () => {
        const { items } = await cluster.json(`get pods ${inNamespace} -l ${selectorOf(component)}`);
        const leaving = items.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
        if (leaving.length > 0) throw new Error(`${leaving.join(', ')} is still there`);
      },
      { withinMs: 90_000, everyMs: 500 },
    );
  }

  /** The pod that holds the Lease. */
  async function leader() {
    const { spec } = await cluster.json(`get lease ${CONTROLLER} ${inNamespace}`);
    const pods = await cluster.pods(NAMESPACE, selectorOf('controller'));
    const pod = pods.find((name) => spec.holderIdentity?.includes(name));
    if (pod === undefined) throw new Error(`the Lease is held by ${spec.holderIdentity}, which is no running pod`);
    return pod;
  }

  /** Another leads, and what is applied now is served: the time until both hold. */
  async function newLeader(was) {
    const startedMs = performance.now();
    const secondsSince = () => ((performance.now() - startedMs) / 1000).toFixed(1);
    const now = await eventually(
      async () => {
        const name = await leader();
        if (name === was) throw new Error(`${was} still leads`);
        return name;
      },
      { withinMs: 60_000 },
    );
    const led = secondsSince();
    const patch = JSON.stringify({ spec: { displayName: `Orders ${Math.round(startedMs)}` } });
    await cluster.kubectl(['patch', 'apigroup', 'orders', '-n', 'shop', '--type=merge', '-p', patch]);
    await eventually(
      async () => {
        const { metadata, status } = await cluster.json('get apigroup orders -n shop');
        const ready = status.conditions.find(({ type }) => type === 'Ready');
        if (ready?.status !== 'True' || ready.observedGeneration !== metadata.generation)
          throw new Error(`Ready is ${JSON.stringify(ready)}`);
      },
      { withinMs: 60_000 },
    );
    return `${now} leads after ${led} s, serves a change after ${secondsSince()} s`;
  }

  async function deletePod(component, { name, not, grace = true } = {}) {
    const pod = name ?? (await cluster.pods(NAMESPACE, selectorOf(component))).find((each) => each !== not);
    await cluster.kubectl(`delete pod ${pod} ${inNamespace}${grace ? '' : ' --grace-period=0 --force'}`);
    await settled(component);
  }

  return {
    settled,
    deletePod,
    async deleteStandby() {
      await deletePod('controller', { not: await leader() });
    },
    async deleteLeader(options) {
      const was = await leader();
      await deletePod('controller', { name: was, ...options });
      return newLeader(was);
    },
    async restart(component) {
      await cluster.kubectl(`rollout restart deployment/${DEPLOYMENTS[component]} ${inNamespace}`);
      await settled(component);
    },
    /** Waits until the leader counts so many processes of the authorizer in each pod of the gateway, with what is in force. */
    async authorizersServe(count) {
      return eventually(
        async () => {
          const path = `/api/v1/namespaces/${NAMESPACE}/pods/${await leader()}:${ADMIN_PORT}/proxy/status`;
          const { nodes } = JSON.parse(await cluster.kubectl(['get', '--raw', path]));
          const found = (await cluster.pods(NAMESPACE, selectorOf('gateway'))).map(
            (pod) =>
              nodes.filter(({ id, kind, current }) => kind === 'authorizer' && current && id.startsWith(`${pod}/`))
                .length,
          );
          if (found.length === 0 || found.some((each) => each !== count))
            throw new Error(`${found.join(', ')} authorizers in the pods, not ${count}`);
          return `${found.length} pods with ${count} authorizers each`;
        },
        { withinMs: 60_000, everyMs: 500 },
      );
    },
  };
}
