/** What the callers of plans have used: the counters that a model says there are, as the store has them. */
import { orExisting } from '../api/did-you-mean.js';
import type { Problem } from '../api/problem.js';
import { keySubject, counterName, planSubject } from '../authz/counters.js';
import type { Config } from '../config/settings.js';
import { AppError } from '../lib/errors.js';
import type { Model, Plan, Quota, RateLimit, Target } from '../model/model.js';
import type { CounterAdministration, CounterReference } from '../ratelimit/administration.js';
import { StoreUnavailableError } from '../ratelimit/errors.js';
import { connectAdministration } from '../ratelimit/redis/administration.js';
import { redisPlaceOf, storeAccessOf } from './store-place.js';

/** One counter: a limit of a plan for those who share it. */
export interface UsageCounter {
  /** `namespace/name`. */
  readonly plan: string;
  readonly planID: string;
  readonly limit: string;
  readonly kind: 'Rate' | 'Quota';
  readonly scope: RateLimit['scope'];
  /** Absent for scope Plan. */
  readonly keyID?: string;
  /** `namespace/name` of the SignatureKey; absent for scope Plan. */
  readonly key?: string;
  /** `namespace/group/api` and its environment; scope KeyAndApi only. */
  readonly api?: string;
  readonly environment?: string;
  readonly enforcement: Plan['enforcement'];
  readonly reference: CounterReference;
}

export interface UsageFilter {
  /** `namespace/name`, name or plan id. */
  readonly plan?: string | undefined;
  /** Key id, or `namespace/name` or name of the SignatureKey. Counters of scope Plan belong to every key. */
  readonly key?: string | undefined;
  readonly limit?: string | undefined;
  /** `namespace/group/api` or `group/api`. */
  readonly api?: string | undefined;
  readonly environment?: string | undefined;
}

/** What else a person can do whose machine does not reach the store of a cluster. */
const FORWARD =
  'outside of the cluster: `kubectl port-forward -n NAMESPACE service/REDIS 6379`, and --redis-url redis://127.0.0.1:6379';

/**
 * @param inCluster the store is that of an installation on Kubernetes.
 * @throws AppError when the configuration keeps counters in memory, where only `run` itself sees them, and when the
 * store cannot be reached.
 */
export async function openAdministration(
  config: Config,
  { inCluster }: { readonly inCluster: boolean },
): Promise<CounterAdministration> {
  const hint = inCluster ? `; ${FORWARD}` : '';
  const place = redisPlaceOf(config);
  if (!place)
    throw new AppError(
      'ERR_NO_STORE',
      `counters in memory can only be seen by the gateway itself; name the store with --redis-url, --redis-sentinel or --redis-cluster${hint}`,
    );
  const { servers, sentinels } = storeAccessOf(config);
  try {
    return await connectAdministration({ ...place, ...servers, sentinelAccess: sentinels });
  } catch (error) {
    if (error instanceof StoreUnavailableError && inCluster)
      throw new StoreUnavailableError(`${error.message}${hint}`, { cause: error });
    throw error;
  }
}

/** Why counters of a plan may be missing: its keys or APIs were not found. */
const MISSING = new Set<Problem['reason']>([
  ...(['KeyNotFound', 'DuplicateKeyID', 'SecretNotReady', 'KeyUsageMismatch'] as const),
  ...(['ApiGroupNotFound', 'EnvironmentNotFound', 'ApiNotFound'] as const),
]);

/** What is wrong with the plans that the filter names. */
export function missingCounters(model: Model, problems: readonly Problem[], { plan }: UsageFilter): Problem[] {
  const wanted = [plan, model.plans.find(({ planId }) => planId === plan)?.key];
  return problems.filter(
    ({ object: { kind, namespace, name }, reason, severity }) =>
      kind === 'UsagePlan' &&
      (plan === undefined || wanted.includes(name) || wanted.includes(`${namespace}/${name}`)) &&
      (severity === 'error' || MISSING.has(reason)),
  );
}

/** In the order of plans, limits and keys. A plan that refuses its requests counts nothing. */
export function usageCounters(model: Model, filter: UsageFilter = {}): readonly UsageCounter[] {
  return model.plans
    .filter(({ valid }) => valid)
    .filter(({ key, name, planId }) => filter.plan === undefined || [key, name, planId].includes(filter.plan))
    .flatMap((plan) => [
      ...plan.rateLimits.flatMap((limit) => countersOf(model, plan, { kind: 'Rate', limit })),
      ...plan.quotas.flatMap((limit) => countersOf(model, plan, { kind: 'Quota', limit })),
    ])
    .filter((counter) => matches(counter, filter));
}

/** A flag, and what the counters that it chooses from are called; `undefined`: not a matter of this one. */
const FLAGS: readonly (readonly [keyof UsageFilter, (counter: UsageCounter) => string | undefined])[] = [
  ['plan', ({ plan }) => plan],
  ['limit', ({ limit }) => limit],
  ['key', ({ key }) => key],
  ['api', ({ api }) => api],
  ['environment', ({ environment }) => environment],
];

/** Which part of a filter finds no counter, and what there is instead. For a filter that finds none. */
export function whyNoCounter(model: Model, filter: UsageFilter): string {
  let asked: UsageFilter = {};
  let found = usageCounters(model, asked);
  if (found.length === 0)
    return 'nothing is counted: no enabled plan that is valid and has limits binds a key to an API, both of which exist';
  for (const [flag, nameOf] of FLAGS) {
    const wanted = filter[flag];
    if (wanted === undefined) continue;
    asked = { ...asked, [flag]: wanted };
    const chosen = usageCounters(model, asked);
    if (chosen.length === 0) {
      const names = found.flatMap((counter) => nameOf(counter) ?? []);
      // As the asker writes it: perhaps without the namespace.
      const written = names.map((name) => (slashes(wanted) < slashes(name) ? name.slice(name.indexOf('/') + 1) : name));
      const of =
        flag === 'plan'
          ? 'no plan of this name counts anything'
          : `no such ${flag === 'api' ? 'API' : flag} among what is counted`;
      return `--${flag} ${wanted}: ${of}${orExisting(wanted, written)}`;
    }
    found = chosen;
  }
  return 'no enabled plan has such a limit for such a key';
}

const slashes = (text: string): number => text.split('/').length - 1;

type Limit = { readonly kind: 'Rate'; readonly limit: RateLimit } | { readonly kind: 'Quota'; readonly limit: Quota };

function countersOf(model: Model, plan: Plan, limited: Limit): UsageCounter[] {
  const { kind, limit } = limited;
  const make = (keyId: string, place: Partial<Pick<UsageCounter, 'key' | 'keyID' | 'api' | 'environment'>>) => ({
    plan: plan.key,
    planID: plan.planId,
    limit: limit.name,
    kind,
    scope: limit.scope,
    ...place,
    enforcement: plan.enforcement,
    reference: referenceOf(plan, limited, keyId, place.api ?? '', place.environment ?? ''),
  });
  if (limit.scope === 'Plan') return [make('', {})];
  const bound = new Set(plan.callerKeys);
  const keys = model.callerKeys.filter(({ key }) => bound.has(key));
  if (limit.scope === 'Key') return keys.map(({ key, keyId }) => make(keyId, { key, keyID: keyId }));
  const apis = plan.targets.flatMap((target) => apisOf(model, target));
  return keys.flatMap(({ key, keyId }) => apis.map((place) => make(keyId, { key, keyID: keyId, ...place })));
}

function apisOf(model: Model, { group, environment, apis }: Target): { api: string; environment: string }[] {
  const served = model.groups.find(({ key }) => key === group)?.environments.find(({ name }) => name === environment);
  return (served?.apis ?? [])
    .filter(({ name }) => apis === '*' || apis.has(name))
    .map(({ name }) => ({ api: `${group}/${name}`, environment }));
}

function referenceOf(plan: Plan, limited: Limit, keyId: string, api: string, environment: string): CounterReference {
  const { name, scope } = limited.limit;
  const place = { plan: plan.key, limit: name, scope, keyId, api, environment };
  const subject = scope === 'Plan' ? planSubject(plan.key) : keySubject(keyId);
  if (limited.kind === 'Rate') {
    const { requests, intervalMs, burst } = limited.limit;
    return { kind: 'rate', subject, counter: counterName('rate', place), requests, intervalMs, burst };
  }
  const { requests, period, timeZone } = limited.limit;
  return { kind: 'quota', subject, counter: counterName('quota', place), limit: requests, period, timeZone };
}

function matches(counter: UsageCounter, { key, limit, api, environment }: UsageFilter): boolean {
  const named = (wanted: string | undefined, ...names: (string | undefined)[]): boolean =>
    wanted === undefined || names.includes(wanted);
  return (
    (counter.scope === 'Plan' || named(key, counter.keyID, counter.key, counter.key?.split('/')[1])) &&
    named(limit, counter.limit) &&
    (counter.scope !== 'KeyAndApi' || named(api, counter.api, counter.api?.split('/').slice(1).join('/'))) &&
    (counter.scope !== 'KeyAndApi' || named(environment, counter.environment))
  );
}
