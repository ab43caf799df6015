/**
 * The four kinds as they are after `checkObject`: valid against crds/, defaults applied, nobody changes them
 * in place. And what we read of three core kinds.
 */
import type { ApiGroupSpec, ApiGroupStatus } from './generated/api-group.js';
import type { AuthorizationSpec, AuthorizationStatus } from './generated/authorization.js';
import type { SignatureKeySpec, SignatureKeyStatus } from './generated/signature-key.js';
import type { UsagePlanSpec, UsagePlanStatus } from './generated/usage-plan.js';

export type * from './generated/api-group.js';
export type * from './generated/authorization.js';
export type * from './generated/signature-key.js';
export type * from './generated/usage-plan.js';

export const API_GROUP = 'countersign.dev';
export const API_VERSION = 'countersign.dev/v1alpha1';
/** `type` of every Secret that holds a key. */
export const KEY_SECRET_TYPE = 'countersign.dev/signature-key';

export const KINDS = ['SignatureKey', 'ApiGroup', 'Authorization', 'UsagePlan'] as const;
export type Kind = (typeof KINDS)[number];

export interface ObjectMeta {
  readonly name: string;
  /** `default` where a file says none. */
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Absent in file mode, like all fields below. */
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
}

interface Resource<K extends Kind, Spec, Status> {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: K;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
  readonly status?: Status;
}

export type SignatureKey = Resource<'SignatureKey', SignatureKeySpec, SignatureKeyStatus>;
export type ApiGroup = Resource<'ApiGroup', ApiGroupSpec, ApiGroupStatus>;
export type Authorization = Resource<'Authorization', AuthorizationSpec, AuthorizationStatus>;
export type UsagePlan = Resource<'UsagePlan', UsagePlanSpec, UsagePlanStatus>;

export type CountersignObject = SignatureKey | ApiGroup | Authorization | UsagePlan;

export interface Secret {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: ObjectMeta;
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
  /** Plain text as files may write it; an API server turns it into `data` and never returns it. Goes before `data`. */
  readonly stringData?: Readonly<Record<string, string>>;
}

export interface Namespace {
  readonly apiVersion: 'v1';
  readonly kind: 'Namespace';
  readonly metadata: Omit<ObjectMeta, 'namespace'>;
}

export interface Service {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly metadata: ObjectMeta;
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly ports?: readonly ServicePort[];
  };
}

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly protocol?: string;
  /** `kubernetes.io/h2c` or `grpc` mean HTTP/2. */
  readonly appProtocol?: string;
}
