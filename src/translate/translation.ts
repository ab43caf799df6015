/** What a translation takes besides the resources, and what it gives. */
import type { ConditionState } from '../api/conditions.js';
import type { ObjectReference, Problem } from '../api/problem.js';
import type {
  ApiGroupStatus,
  AuthorizationStatus,
  AuthorizationStatusTarget,
  SignatureKeyStatus,
  UsagePlanStatus,
} from '../api/types.js';
import type { Model } from '../model/model.js';
import type { HostnamePermission } from './groups/hostname-claims.js';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface TranslateContext {
  readonly nowMs: number;
  /** `namespace/name:port` → where a Service is reached (`--service`). Keep the arrays' identity: they are memo inputs. */
  readonly services: ReadonlyMap<string, readonly Endpoint[]>;
  /** In a cluster: Services that exist and are not in `services` are reached as `name.namespace.svc.<clusterDomain>`. */
  readonly clusterDomain?: string;
  /** `--backend-hosts`: exact hosts, `*.suffix`, `*`. `Any` also admits loopback, link-local and unspecified addresses. */
  readonly allowedBackendHosts: 'Any' | readonly string[];
  /** `--hostnames`; empty = everybody may claim every name. */
  readonly hostnameClaims: readonly HostnamePermission[];
  /** One person owns all namespaces (a folder) and may be told what others than the asking one hold. */
  readonly singleOwner?: boolean;
  /** `lint`, `render --in-cluster`: Services live elsewhere, so that one that is not seen is only a warning. */
  readonly servicesElsewhere?: boolean;
  /** `lint` of what `run` serves: a Service is not reached by its name, so that one without an address is told. */
  readonly addressesNeeded?: boolean;
  /** Mode of the counter store; a Cluster cannot keep limits that several keys share. Absent: any limit can be kept. */
  readonly counterStore?: 'Memory' | 'Single' | 'Sentinel' | 'Cluster';
  /** For `status.environments[].url`; default `http` on its own port. */
  readonly advertised?: { readonly scheme: 'http' | 'https'; readonly port?: number };
}

const FLAGS = { hostnames: '--hostnames', backendHosts: '--backend-hosts' } as const;

/** As readers of a problem know a setting: in a cluster most have given it to the chart, under this name. */
export const nameOfSetting = (
  name: keyof typeof FLAGS,
  { clusterDomain }: Pick<TranslateContext, 'clusterDomain'>,
): string => (clusterDomain === undefined ? FLAGS[name] : `${FLAGS[name]} (chart value ${name})`);

type Fields<Status> = Omit<Status, 'conditions' | 'observedGeneration'>;

/** Status fields of an object besides its conditions, as its CRD has them; the edge adds times. */
export type StatusFields =
  | Fields<SignatureKeyStatus>
  | Fields<ApiGroupStatus>
  | Fields<UsagePlanStatus>
  | (Fields<Omit<AuthorizationStatus, 'targets'>> & { readonly targets: readonly TargetStatus[] });

export interface TargetStatus extends Omit<AuthorizationStatusTarget, 'conditions'> {
  readonly conditions: readonly ConditionState[];
}

export interface ObjectStatus {
  readonly object: ObjectReference;
  /** `metadata.generation` that was looked at; `undefined` in file mode. */
  readonly generation: number | undefined;
  /** Accepted, ResolvedRefs and warnings; Programmed and Ready come from `withProgrammed`. */
  readonly conditions: readonly ConditionState[];
  /** Why the object is idle by its own wish, which is healthy. */
  readonly idle: 'Disabled' | 'Offline' | undefined;
  readonly fields: StatusFields;
}

export interface Translation {
  readonly model: Model;
  /** By `Kind/namespace/name`, in the order kinds are listed in the API, then by key. */
  readonly statuses: ReadonlyMap<string, ObjectStatus>;
  readonly problems: readonly Problem[];
  /** The next time at which time alone changes the outcome; `undefined` = never. */
  readonly nextChangeMs: number | undefined;
}
