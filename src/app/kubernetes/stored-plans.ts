/**
 * The plans of an installation with the keys that they bind, for commands that look once with the rights of whoever
 * runs them. Secrets are not read: ids are those of the keys' spec and status.
 */
import type { Problem } from '../../api/problem.js';
import { API_GROUP, type Namespace, type SignatureKey } from '../../api/types.js';
import type { Config } from '../../config/settings.js';
import type { Clock } from '../../lib/clock.js';
import { AppError } from '../../lib/errors.js';
import type { Model } from '../../model/model.js';
import { createKubeApi, hasStatus, type KubeApi, type RawObject } from '../../provider/kubernetes/kube-api.js';
import { NAMESPACE, OUR_TYPES } from '../../provider/kubernetes/resource-types.js';
import { readStored, type StoredObject } from '../../provider/kubernetes/stored-objects.js';
import { isRecord } from '../../resources/core-resources.js';
import { createResourceSet, keyOf, type AnyResource } from '../../resources/resource-set.js';
import { StandInSecret } from '../../resources/stand-in-secret.js';
import { secretNameOf } from '../../translate/keys/generated-keys.js';
import { translate } from '../../translate/translate.js';
import { clusterTranslateContext } from '../context.js';
import { listAll } from './list-all.js';

/** Whoever calls is counted by plans, keys and APIs; who may call is no matter here. */
const READ_KINDS = ['SignatureKey', 'ApiGroup', 'UsagePlan'] as const;
type ReadKind = (typeof READ_KINDS)[number];

export interface StoredPlans {
  readonly model: Model;
  /** Of the objects that were read. */
  readonly problems: readonly Problem[];
  /** URL of the API server. */
  readonly server: string;
  /** Caller keys admit namespaces by labels, and Namespaces may not be read: they are taken to admit all. */
  readonly unjudgedKeys: readonly string[];
}

export interface StoredPlansOptions {
  readonly config: Config;
  /** `undefined` = the service account of this pod. */
  readonly kubeconfig: string | undefined;
  readonly clock: Clock;
}

/** @throws AppError when the API server cannot be asked, or does not let this user read. */
export async function readStoredPlans({ config, kubeconfig, clock }: StoredPlansOptions): Promise<StoredPlans> {
  const api = await createKubeApi({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(config.context === undefined ? {} : { context: config.context }),
    userAgent: 'countersign-usage',
  });
  try {
    const stored = await readOurs(api, config.watchNamespaces);
    const keys = stored.flatMap(({ resource, live }) =>
      resource?.kind === 'SignatureKey' && resource.spec.usage === 'Caller'
        ? [{ key: resource, status: live.status }]
        : [],
    );
    const selecting = keys.filter(({ key }) => key.spec.allowedAuthorizers?.namespaces.from === 'Selector');
    const namespaces = selecting.length === 0 ? [] : await readNamespaces(api, config.watchNamespaces);
    const resources = createResourceSet(
      [
        ...stored.flatMap(({ resource }) => resource ?? []).map((each) => (namespaces ? each : admittingAll(each))),
        ...keys.flatMap(({ key, status }) => standInFor(key, status) ?? []),
        ...(namespaces ?? []),
      ],
      new Set(
        stored.flatMap(({ resource, reference: { kind, namespace, name } }) =>
          resource ? [] : `${kind}/${namespace}/${name}`,
        ),
      ),
    );
    const translation = translate(resources, {
      ...clusterTranslateContext(config),
      // Where requests go is not looked at.
      ...{ servicesElsewhere: true, allowedBackendHosts: 'Any' },
      nowMs: clock(),
    });
    return {
      model: translation.model,
      problems: [...stored.flatMap(({ problems }) => problems), ...translation.problems],
      server: api.server,
      unjudgedKeys: namespaces ? [] : selecting.map(({ key }) => keyOf(key)),
    };
  } finally {
    api.close();
  }
}

async function readOurs(api: KubeApi, namespaces: readonly string[]): Promise<StoredObject[]> {
  const [refused, absent]: [ReadKind[], ReadKind[]] = [[], []];
  const found = await Promise.all(
    READ_KINDS.map(async (kind) => {
      try {
        const objects = await listAll(api, OUR_TYPES[kind], namespaces);
        return objects.flatMap((raw) => readStored(kind, raw) ?? []);
      } catch (error) {
        if (hasStatus(error, 401))
          throw new AppError(
            'ERR_RIGHTS',
            'the API server does not know this user (401): its token or certificate is wrong or has expired',
            { cause: error },
          );
        if (hasStatus(error, 403)) refused.push(kind);
        else if (hasStatus(error, 404)) absent.push(kind);
        else throw error;
        return [];
      }
    }),
  );
  const pluralsOf = (kinds: readonly ReadKind[]): string =>
    READ_KINDS.filter((kind) => kinds.includes(kind))
      .map((kind) => `${OUR_TYPES[kind].plural}.${API_GROUP}`)
      .join(', ');
  if (absent.length > 0)
    throw new AppError('ERR_NO_CRDS', `the API server has no ${pluralsOf(absent)}: install the CRDs`);
  if (refused.length > 0)
    throw new AppError(
      'ERR_RIGHTS',
      namespaces.length === 0
        ? `you may not list ${pluralsOf(refused)} in all namespaces; name yours with --watch-namespace, or ask for the role viewer`
        : `you may not list ${pluralsOf(refused)} in ${namespaces.join(', ')}; ask for the role viewer there`,
    );
  return found.flat();
}

/** With their labels. `undefined`: they may not be read. */
async function readNamespaces(api: KubeApi, names: readonly string[]): Promise<readonly Namespace[] | undefined> {
  try {
    const read: readonly RawObject[] =
      names.length === 0
        ? await listAll(api, NAMESPACE, [])
        : await Promise.all(names.map((name) => api.get({ type: NAMESPACE, name })));
    return read.flatMap((raw) => {
      const resource = readStored('Namespace', raw)?.resource;
      return resource?.kind === 'Namespace' ? resource : [];
    });
  } catch (error) {
    if (hasStatus(error, 403)) return undefined;
    throw error;
  }
}

const admittingAll = (resource: AnyResource): AnyResource =>
  resource.kind === 'SignatureKey' && resource.spec.allowedAuthorizers?.namespaces.from === 'Selector'
    ? { ...resource, spec: { ...resource.spec, allowedAuthorizers: { namespaces: { from: 'All' } } } }
    : resource;

/** `undefined` while the controller has put no id into status, and for a key whose id is another's. */
function standInFor(key: SignatureKey, status: RawObject | undefined): StandInSecret | undefined {
  const keyId = key.spec.keyID ?? status?.['keyID'];
  const conditions = status?.['conditions'];
  const lost =
    Array.isArray(conditions) &&
    conditions.some((each) => isRecord(each) && each['status'] === 'False' && each['reason'] === 'DuplicateKeyID');
  return typeof keyId === 'string' && !lost
    ? new StandInSecret(key.metadata.namespace, secretNameOf(key), keyId)
    : undefined;
}
