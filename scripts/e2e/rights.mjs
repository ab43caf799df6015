// What a ServiceAccount may do, as the API server itself says, without what every ServiceAccount may.

/** @returns {Promise<string[]>} sorted lines like `update,get leases.coordination.k8s.io countersign-controller` */
export async function rightsOf(cluster, { namespace, account, inNamespace }) {
  const own = await review(cluster, inNamespace, `system:serviceaccount:${namespace}:${account}`);
  const anyone = new Set(
    await review(cluster, inNamespace, `system:serviceaccount:${inNamespace}:nobody-in-particular`),
  );
  return own.filter((line) => !anyone.has(line));
}

async function review(cluster, namespace, user) {
  const request = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews';
  const text = await cluster.kubectl(['create', '--raw', path, '-f', '-', '--as', user], {
    input: JSON.stringify(request),
  });
  const { status } = JSON.parse(text);
  if (status.incomplete) throw new Error(`the API server cannot list all rights: ${status.evaluationError}`);
  const lines = new Set();
  for (const { verbs, apiGroups = [''], resources = [], resourceNames = [''] } of status.resourceRules)
    for (const group of apiGroups)
      for (const resource of resources)
        for (const name of resourceNames)
          for (const verb of verbs) lines.add(`${resource}${group === '' ? '' : `.${group}`} ${name}\t${verb}`);
  for (const { verbs, nonResourceURLs = [] } of status.nonResourceRules)
    for (const url of nonResourceURLs) for (const verb of verbs) lines.add(`${url}\t${verb}`);
  return joinVerbs(lines);
}

function joinVerbs(lines) {
  const verbsOf = new Map();
  for (const line of lines) {
    const [what, verb] = line.split('\t');
    verbsOf.set(what, [...(verbsOf.get(what) ?? []), verb]);
  }
  return [...verbsOf].map(([what, verbs]) => `${what.trim()}: ${verbs.sort().join(' ')}`).sort();
}
