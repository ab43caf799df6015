/** The types of policy resources as rows of the delta ADS server, in the order in which they go out. */
import type { ResourceType } from '../xds/resource-types.js';

const typeUrl = <Name extends string>(name: Name) => `countersign.dev/v1alpha1.${name}` as const;

/** A caller key with its secrets. */
export const KEY_TYPE = typeUrl('Key');
/** An ApiGroup as the authorizer needs it, with the material of the backend keys bound in it. */
export const GROUP_TYPE = typeUrl('Group');
/** An Authorization. */
export const GRANT_TYPE = typeUrl('Grant');
/** A UsagePlan. */
export const PLAN_TYPE = typeUrl('Plan');
/** Closes a change: what the authorizer must hold before it switches. */
export const EPOCH_TYPE = typeUrl('Epoch');

/** Types that an epoch counts and hashes. */
export const CONTENT_TYPES = [KEY_TYPE, GROUP_TYPE, GRANT_TYPE, PLAN_TYPE] as const;
export type ContentType = (typeof CONTENT_TYPES)[number];

/** A removal counts like a change: a revoked key is gone before the epoch that closes the change is sent. */
export const POLICY_RESOURCE_TYPES: readonly ResourceType[] = [...CONTENT_TYPES, EPOCH_TYPE].map((each) => ({
  typeUrl: each,
  removal: 'BeforeLaterTypes',
}));

/** Name of the one resource of type Epoch. */
export const EPOCH_NAME = 'epoch';

/**
 * The form of policy resources that this version reads. A resource carries the least form (`minReader`) that
 * understands it: it is raised by a field that must not be ignored, and left alone by one that may be.
 */
export const READER = 1;
