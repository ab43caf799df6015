/** Objects of one kind as they are now, for commands that look once. */
import type { KubeApi, RawObject } from '../../provider/kubernetes/kube-api.js';
import type { ResourceType } from '../../provider/kubernetes/resource-types.js';

const PAGE_SIZE = 500;

/** @param namespaces none = the whole cluster. @throws KubeApiError */
export async function listAll(
  api: KubeApi,
  type: ResourceType,
  namespaces: readonly string[],
): Promise<readonly RawObject[]> {
  const scopes = namespaces.length === 0 ? [undefined] : [...new Set(namespaces)];
  const lists = await Promise.all(scopes.map((namespace) => listScope(api, type, namespace)));
  return lists.flat();
}

async function listScope(api: KubeApi, type: ResourceType, namespace: string | undefined): Promise<RawObject[]> {
  const found: RawObject[] = [];
  let continueToken: string | undefined;
  do {
    const page = await api.list(type, { namespace, limit: PAGE_SIZE, continueToken });
    found.push(...page.items);
    continueToken = page.continueToken;
  } while (continueToken !== undefined);
  return found;
}
