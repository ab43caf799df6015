/**
 * The authorizer's side of policy: responses are applied to a staging set, and only an epoch whose hash and counts
 * agree with it makes a model of it. Nothing half received is ever served. Pure: no I/O, no clock.
 */
import type { Model } from '../model/model.js';
import {
  decodeEpoch,
  decodeGrant,
  decodeGroup,
  decodeKey,
  decodePlan,
  refusedPlan,
  type Decoded,
  type Epoch,
} from './decode.js';
import { policyVersion } from './encode.js';
import { SetHash } from './epoch.js';
import {
  CONTENT_TYPES,
  EPOCH_NAME,
  EPOCH_TYPE,
  GRANT_TYPE,
  GROUP_TYPE,
  KEY_TYPE,
  PLAN_TYPE,
} from './resource-types.js';

/** One response of the server. */
export interface PolicyResponse {
  readonly typeUrl: string;
  readonly resources: readonly {
    readonly name: string;
    readonly version: string;
    readonly typeUrl: string;
    readonly value: Uint8Array;
  }[];
  readonly removed: readonly string[];
}

export type StagingResult =
  /** To be acknowledged; nothing changes yet. */
  | { readonly outcome: 'staged' }
  /** To be acknowledged once the model is served. */
  | { readonly outcome: 'switch'; readonly model: Model; readonly epoch: Epoch }
  /** To be refused with this text. What it names is refused to callers too, the rest of the response is staged. */
  | {
      readonly outcome: 'refused';
      readonly error: string;
      /** The set does not agree with its epoch: start again from nothing. */ readonly restart: boolean;
    };

interface Staged<T> {
  readonly version: string;
  /** `undefined` = cannot be read: its name is held, so that hash and counts agree, and what it covers is refused. */
  readonly value: T | undefined;
}

interface Content {
  readonly [KEY_TYPE]: Model['callerKeys'][number];
  readonly [GROUP_TYPE]: Model['groups'][number];
  readonly [GRANT_TYPE]: Model['grants'][number];
  readonly [PLAN_TYPE]: Model['plans'][number];
}

const DECODERS: { readonly [Type in keyof Content]: (name: string, bytes: Uint8Array) => Decoded<Content[Type]> } = {
  [KEY_TYPE]: decodeKey,
  [GROUP_TYPE]: decodeGroup,
  [GRANT_TYPE]: decodeGrant,
  [PLAN_TYPE]: decodePlan,
};

const NAMED_ERRORS = 3;

export class PolicyStaging {
  readonly #sets: { readonly [Type in keyof Content]: Map<string, Staged<Content[Type]>> } = {
    [KEY_TYPE]: new Map(),
    [GROUP_TYPE]: new Map(),
    [GRANT_TYPE]: new Map(),
    [PLAN_TYPE]: new Map(),
  };
  /** Members of each set; a set keeps its list until one of them changes. */
  readonly #lists = new Map<string, readonly unknown[]>();
  /** Names that were refused; the server must send them again after a reconnection. */
  readonly #refused = new Set<string>();
  #hash = new SetHash();
  #seen: { readonly revision: number; readonly hash: string } | undefined;

  /** @param revision the highest that a predecessor of this process has seen. */
  constructor(revision = 0) {
    if (revision > 0) this.#seen = { revision, hash: '' };
  }

  /** The highest revision seen; 0 = none. */
  get revision(): number {
    return this.#seen?.revision ?? 0;
  }

  /** Name → version of what is held and good: the server need not send it again. */
  initialVersions(typeUrl: string): Readonly<Record<string, string>> {
    if (typeUrl === EPOCH_TYPE) return {};
    const versions: Record<string, string> = {};
    for (const [name, { version }] of this.#setOf(typeUrl) ?? [])
      if (!this.#refused.has(`${typeUrl} ${name}`)) versions[name] = version;
    return versions;
  }

  /** Forgets the set, not the revision. */
  clear(): void {
    for (const type of CONTENT_TYPES) this.#sets[type].clear();
    this.#lists.clear();
    this.#refused.clear();
    this.#hash = new SetHash();
  }

  apply(response: PolicyResponse): StagingResult {
    if (response.typeUrl === EPOCH_TYPE) return this.#applyEpoch(response);
    const set = this.#setOf(response.typeUrl);
    if (!set) return refused(`unknown type ${response.typeUrl}`);
    for (const name of response.removed) this.#replace(response.typeUrl, name, undefined);
    const errors: string[] = [];
    for (const resource of response.resources) {
      const error = this.#stage(response.typeUrl as keyof Content, resource);
      if (error !== undefined) errors.push(`${resource.name}: ${error}`);
    }
    if (errors.length === 0) return { outcome: 'staged' };
    const more = errors.length > NAMED_ERRORS ? ` (and ${errors.length - NAMED_ERRORS} more)` : '';
    return refused(errors.slice(0, NAMED_ERRORS).join('; ') + more);
  }

  #stage<Type extends keyof Content>(
    type: Type,
    { name, version, typeUrl, value }: PolicyResponse['resources'][number],
  ): string | undefined {
    const decoded: Decoded<Content[Type]> =
      typeUrl !== type
        ? { ok: false, error: 'holds another type' }
        : policyVersion(value) !== version
          ? { ok: false, error: 'the version is not the hash of its bytes' }
          : DECODERS[type](name, value);
    const covered = decoded.ok
      ? decoded.value
      : type === PLAN_TYPE
        ? (refusedPlan(name, value) as Content[Type] | undefined)
        : undefined;
    this.#replace(type, name, { version, value: covered });
    if (decoded.ok) return undefined;
    this.#refused.add(`${type} ${name}`);
    return decoded.error;
  }

  #replace(typeUrl: string, name: string, next: Staged<unknown> | undefined): void {
    const set = this.#setOf(typeUrl) as Map<string, Staged<unknown>>;
    const before = set.get(name);
    if (before) this.#hash.toggle(typeUrl, name, before.version);
    this.#lists.delete(typeUrl);
    this.#refused.delete(`${typeUrl} ${name}`);
    if (next) {
      this.#hash.toggle(typeUrl, name, next.version);
      set.set(name, next);
    } else set.delete(name);
  }

  #setOf(typeUrl: string): Map<string, Staged<unknown>> | undefined {
    return Object.hasOwn(this.#sets, typeUrl) ? this.#sets[typeUrl as keyof Content] : undefined;
  }

  #applyEpoch({ resources, removed }: PolicyResponse): StagingResult {
    const [resource] = resources;
    if (!resource) return removed.length > 0 ? refused('the epoch was removed') : { outcome: 'staged' };
    if (resource.name !== EPOCH_NAME || resources.length > 1 || resource.typeUrl !== EPOCH_TYPE)
      return refused('not the one epoch');
    const decoded = decodeEpoch(resource.value, CONTENT_TYPES);
    if (!decoded.ok) return refused(`epoch: ${decoded.error}`);
    const epoch = decoded.value;
    if (epoch.revision < this.revision)
      return refused(`revision ${epoch.revision} is lower than ${this.revision}, which was seen before`);
    if (epoch.revision === this.#seen?.revision && this.#seen.hash !== '' && this.#seen.hash !== epoch.hash)
      return refused(`revision ${epoch.revision} was seen before with another content`);
    const miscounted = CONTENT_TYPES.find((type) => epoch.counts[type] !== this.#sets[type].size);
    if (miscounted !== undefined || epoch.hash !== this.#hash.text)
      return { outcome: 'refused', error: 'what was received does not agree with the epoch', restart: true };
    this.#seen = { revision: epoch.revision, hash: epoch.hash };
    return { outcome: 'switch', model: this.#model(), epoch };
  }

  /** Without what cannot be read. */
  #model(): Model {
    // A plan whose bindings are unknown may cover any API of its namespace: none of them is served (503 route_mismatch).
    const closed = new Set<string>();
    for (const [name, { value }] of this.#sets[PLAN_TYPE]) if (value === undefined) closed.add(name.split('/')[0]!);
    const groups = this.#listOf(GROUP_TYPE);
    return {
      callerKeys: this.#listOf(KEY_TYPE),
      groups: closed.size === 0 ? groups : groups.filter(({ namespace }) => !closed.has(namespace)),
      grants: this.#listOf(GRANT_TYPE),
      plans: this.#listOf(PLAN_TYPE),
    };
  }

  #listOf<Type extends keyof Content>(type: Type): readonly Content[Type][] {
    const known = this.#lists.get(type);
    if (known) return known as readonly Content[Type][];
    const list: Content[Type][] = [];
    for (const { value } of this.#sets[type].values()) if (value !== undefined) list.push(value);
    this.#lists.set(type, list);
    return list;
  }
}

const refused = (error: string): StagingResult => ({ outcome: 'refused', error, restart: false });
