/**
 * The TypeScript twin of each CEL rule in crds/, under the very text of the rule: files have no CEL interpreter.
 * Message and place of a problem come from the CRD. A rule runs on a value whose defaults are applied and where
 * every field that the rule reads has passed the schema.
 */
import type { Schema, ValidationRule } from './crd.js';
import { isRecord, schemaOf } from './defaults.js';
import { joinPath, type ObjectReference, type Problem } from './problem.js';
import type {
  ApiGroupAccess,
  ApiGroupApiBackend,
  ApiGroupApiMatchPath,
  ApiGroupApiRewriteSetHeader,
  ApiGroupApiVerification,
  ApiGroupCors,
  ApiGroupEnvironment,
  ApiGroupEnvironmentBackendSignature,
  ApiGroupEnvironmentMatch,
  ApiGroupSpec,
  SignatureKeyAllowedAuthorizersNamespaces,
  SignatureKeyRotation,
  SignatureKeySpec,
  UsagePlanKeys,
  UsagePlanKeysId,
  UsagePlanQuota,
  UsagePlanSpec,
} from './types.js';
import { durationMs, sizeBytes } from './units.js';

/** True when the rule holds. Transition rules get the old value too and run only when there is one. */
export type RuleTwin = (self: never, oldSelf: never) => boolean;

type Entry = readonly [cel: string, twin: RuleTwin];

const twin = <T>(cel: string, holds: (self: T, oldSelf: T) => boolean): Entry => [cel, holds];
const key = (cel: string, holds: (self: SignatureKeySpec, oldSelf: SignatureKeySpec) => boolean) => twin(cel, holds);

const durationBetween = (min: string, max: string): Entry =>
  twin<string>(`duration(self) >= duration('${min}') && duration(self) <= duration('${max}')`, (self) => {
    const ms = durationMs(self);
    return ms >= durationMs(min) && ms <= durationMs(max);
  });

const sizeBetween = (min: string, max: string): Entry =>
  twin<string>(
    `quantity(self).compareTo(quantity('${min}')) >= 0 && quantity(self).compareTo(quantity('${max}')) <= 0`,
    (self) => sizeBytes(self) >= sizeBytes(min) && sizeBytes(self) <= sizeBytes(max),
  );

/** The gateway writes these itself, or they belong to the connection. */
const RESERVED_HEADERS = [
  'authorization',
  'proxy-authorization',
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'content-length',
];

const HOSTNAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';

const bothTencents = (dialects: readonly string[]) =>
  dialects.includes('Tencent') && dialects.includes('TencentApplication');
const some = (list: readonly unknown[] | undefined) => list !== undefined && list.length > 0;

export const RULE_TWINS: ReadonlyMap<string, RuleTwin> = new Map<string, RuleTwin>([
  // SignatureKey
  key('self.usage == oldSelf.usage', (self, old) => self.usage === old.usage),
  key('self.type == oldSelf.type', (self, old) => self.type === old.type),
  key(
    '!has(self.identity) || !has(oldSelf.identity) || self.identity == oldSelf.identity',
    (self, old) => !self.identity || !old.identity || self.identity === old.identity,
  ),
  ...(['keyID', 'pairID'] as const).map((field) =>
    key(
      `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
      (self, old) => self[field] === old[field],
    ),
  ),
  key(
    "has(self.identity) == (self.usage == 'Caller')",
    (self) => (self.identity !== undefined) === (self.usage === 'Caller'),
  ),
  key("self.usage != 'Caller' || self.type == 'HMAC'", (self) => self.usage !== 'Caller' || self.type === 'HMAC'),
  key("has(self.aes) == (self.type == 'AES')", (self) => (self.aes !== undefined) === (self.type === 'AES')),
  key(
    "self.usage != 'Caller' || !has(self.secretRef) || has(self.keyID)",
    (self) => self.usage !== 'Caller' || !self.secretRef || self.keyID !== undefined,
  ),
  key('!has(self.keyID) || has(self.secretRef)', (self) => self.keyID === undefined || self.secretRef !== undefined),
  key("!has(self.keyID) || self.type != 'AES'", (self) => self.keyID === undefined || self.type !== 'AES'),
  key(
    "!has(self.pairID) || (has(self.secretRef) && has(self.identity) && self.identity == 'SignatureKeyPair')",
    (self) => self.pairID === undefined || (self.secretRef !== undefined && self.identity === 'SignatureKeyPair'),
  ),
  key('!has(self.rotation) || !has(self.secretRef)', (self) => !self.rotation || !self.secretRef),
  key(
    "!has(self.allowedAuthorizers) || self.usage == 'Caller'",
    (self) => !self.allowedAuthorizers || self.usage === 'Caller',
  ),
  key(
    '!has(self.notBeforeTime) || !has(self.expirationTime) || self.notBeforeTime < self.expirationTime',
    ({ notBeforeTime, expirationTime }) =>
      notBeforeTime === undefined ||
      expirationTime === undefined ||
      Date.parse(notBeforeTime) < Date.parse(expirationTime),
  ),
  twin<SignatureKeyRotation>('self.generation >= oldSelf.generation', (self, old) => self.generation >= old.generation),
  twin<SignatureKeyAllowedAuthorizersNamespaces>(
    "has(self.selector) == (self.from == 'Selector')",
    (self) => (self.selector !== undefined) === (self.from === 'Selector'),
  ),
  durationBetween('0s', '8760h'),

  // ApiGroup
  twin<ApiGroupSpec>(
    "has(self.verification) || (has(self.access) && has(self.access.authentication) && self.access.authentication == 'None')",
    (self) => self.verification !== undefined || self.access?.authentication === 'None',
  ),
  twin<ApiGroupAccess>(
    "!has(self.authentication) || self.authentication != 'None' || !has(self.authorization) || self.authorization == 'Disabled'",
    (self) => self.authentication !== 'None' || (self.authorization ?? 'Disabled') === 'Disabled',
  ),
  twin<ApiGroupAccess>(
    "!has(self.authentication) || self.authentication != 'None' || !has(self.usagePlan) || self.usagePlan == 'Optional'",
    (self) => self.authentication !== 'None' || (self.usagePlan ?? 'Optional') === 'Optional',
  ),
  twin<ApiGroupApiVerification>(
    "!('Tencent' in self.dialects && 'TencentApplication' in self.dialects)",
    (self) => !bothTencents(self.dialects ?? []),
  ),
  twin<ApiGroupApiVerification>(
    "!has(self.dialects) || !('Tencent' in self.dialects && 'TencentApplication' in self.dialects)",
    (self) => !bothTencents(self.dialects ?? []),
  ),
  durationBetween('1m', '15m'),
  sizeBetween('1Ki', '16Mi'),
  // At the group type is required; in an override a member comes with its type or not at all.
  ...(['service', 'url'] as const).flatMap((member) => {
    const type = member === 'service' ? 'Service' : 'URL';
    return [`self.type == '${type}'`, `has(self.type) && self.type == '${type}'`].map((isType) =>
      twin<ApiGroupApiBackend>(
        `has(self.${member}) == (${isType})`,
        (self) => (self[member] !== undefined) === (self.type === type),
      ),
    );
  }),
  twin<ApiGroupApiBackend>(
    "!has(self.tls) || !has(self.url) || self.url.startsWith('https://')",
    (self) => !self.tls || self.url === undefined || self.url.startsWith('https://'),
  ),
  durationBetween('1ms', '1h'),
  durationBetween('0s', '24h'),
  twin<ApiGroupCors>(
    "!self.allowCredentials || !('*' in self.allowOrigins)",
    (self) => !self.allowCredentials || !self.allowOrigins.includes('*'),
  ),
  twin<readonly ApiGroupEnvironment[]>(
    'self.filter(e, has(e.default) && e.default).size() <= 1',
    (self) => self.filter((environment) => environment.default).length <= 1,
  ),
  twin<readonly ApiGroupEnvironment[]>(
    'self.all(e, !has(e.match) || self.filter(o, has(o.match) && o.match.type == e.match.type && o.match.value == e.match.value).size() == 1)',
    (self) => {
      const matches = self.flatMap(({ match }) => (match ? [`${match.type} ${match.value}`] : []));
      return new Set(matches).size === matches.length;
    },
  ),
  twin<ApiGroupEnvironment>(
    'has(self.match) || (has(self.default) && self.default)',
    (self) => self.match !== undefined || self.default === true,
  ),
  twin<ApiGroupEnvironmentMatch>(
    `self.type != 'Hostname' || self.value.matches('${HOSTNAME}')`,
    (self) => self.type !== 'Hostname' || new RegExp(HOSTNAME, 'u').test(self.value),
  ),
  twin<ApiGroupEnvironmentBackendSignature>(
    "has(self.signatureKeyRef) == (self.type == 'Key')",
    (self) => (self.signatureKeyRef !== undefined) === (self.type === 'Key'),
  ),
  twin<ApiGroupEnvironmentBackendSignature>(
    "!has(self.dialect) || self.type == 'Key'",
    (self) => self.dialect === undefined || self.type === 'Key',
  ),
  twin<ApiGroupApiMatchPath>(
    "self.value.contains('{') == (self.type == 'Template')",
    (self) => self.value.includes('{') === (self.type === 'Template'),
  ),
  twin<ApiGroupApiMatchPath>(
    "self.type != 'Prefix' || self.value == '/' || !self.value.endsWith('/')",
    (self) => self.type !== 'Prefix' || self.value === '/' || !self.value.endsWith('/'),
  ),
  twin<ApiGroupApiRewriteSetHeader>(
    `!(self.name.lowerAscii() in [${RESERVED_HEADERS.map((name) => `'${name}'`).join(', ')}]) && !self.name.lowerAscii().startsWith('x-countersign-')`,
    ({ name }) => !RESERVED_HEADERS.includes(name.toLowerCase()) && !name.toLowerCase().startsWith('x-countersign-'),
  ),

  // Authorization and UsagePlan
  twin<UsagePlanKeys>(
    '(has(self.refs) && size(self.refs) > 0) || (has(self.ids) && size(self.ids) > 0)',
    (self) => some(self.refs) || some(self.ids),
  ),
  twin<UsagePlanKeys>(
    '(has(self.refs) && size(self.refs) > 0) || (has(self.ids) && size(self.ids) > 0) || has(self.selector)',
    (self) => some(self.refs) || some(self.ids) || self.selector !== undefined,
  ),
  twin<UsagePlanKeysId>(
    'has(self.keyID) != has(self.pairID)',
    (self) => (self.keyID !== undefined) !== (self.pairID !== undefined),
  ),
  twin<readonly string[]>("!('*' in self) || size(self) == 1", (self) => !self.includes('*') || self.length === 1),
  durationBetween('1ms', '24h'),
  twin<UsagePlanQuota>(
    "self.period != 'Total' || !has(self.timeZone)",
    (self) => self.period !== 'Total' || self.timeZone === undefined,
  ),
  twin<readonly string[]>(
    "!('Tencent' in self && 'XRateLimit' in self)",
    (self) => !(self.includes('Tencent') && self.includes('XRateLimit')),
  ),
  twin<UsagePlanSpec>(
    '!has(self.rateLimits) || !has(self.quotas) || self.rateLimits.all(r, self.quotas.all(q, q.name != r.name))',
    ({ rateLimits = [], quotas = [] }) => !rateLimits.some((rate) => quotas.some((quota) => quota.name === rate.name)),
  ),
]);

export const isTransitionRule = ({ rule }: ValidationRule) => /\boldSelf\b/.test(rule);

export interface RuleRun {
  readonly object: ObjectReference;
  /** Paths that already have a problem. A rule that reads one of them does not run; what it said would be noise. */
  readonly faults: readonly string[];
  /** Transition rules alone; otherwise the rest. */
  readonly transitions: boolean;
}

/** Problems of the rules of `schema` and everything below it, at most one for each place. */
export function ruleProblems(schema: Schema, value: unknown, oldValue: unknown, path: string, run: RuleRun): Problem[] {
  const problems = new Map<string, Problem>();
  const faults = new Set(run.faults);
  const faulty = placesAround(faults);
  for (const { node, self, oldSelf, at } of nodes(schema, value, oldValue, path, faults)) {
    for (const validation of node['x-kubernetes-validations'] ?? []) {
      if (isTransitionRule(validation) !== run.transitions) continue;
      if (run.transitions && oldSelf === undefined) continue;
      if (readBy(validation.rule, at).some((read) => faulty.has(read))) continue;
      const holds = RULE_TWINS.get(validation.rule);
      if (!holds) throw new TypeError(`crds/ has a rule without a twin: ${validation.rule}`);
      if (holds(self as never, oldSelf as never)) continue;
      const place = at + (validation.fieldPath ?? '');
      if (problems.has(place)) continue;
      problems.set(place, {
        severity: 'error',
        object: run.object,
        path: place,
        reason: run.transitions ? 'Immutable' : 'InvalidValue',
        message: validation.message,
      });
    }
  }
  return [...problems.values()];
}

interface Node {
  readonly node: Schema;
  readonly self: unknown;
  readonly oldSelf: unknown;
  readonly at: string;
}

/** @param faults places that are left out, with all below them. */
function* nodes(
  node: Schema,
  self: unknown,
  oldSelf: unknown,
  at: string,
  faults: ReadonlySet<string>,
): Generator<Node> {
  if (self === undefined || faults.has(at)) return;
  yield { node, self, oldSelf, at };
  if (Array.isArray(self) && node.items) {
    // As in an API server, old entries are found only in a list that is a map; none of our transition rules is in a list.
    for (const [index, item] of self.entries()) yield* nodes(node.items, item, undefined, joinPath(at, index), faults);
  } else if (isRecord(self)) {
    for (const [name, member] of Object.entries(self)) {
      const memberSchema = schemaOf(node, name);
      const oldMember = isRecord(oldSelf) && Object.hasOwn(oldSelf, name) ? oldSelf[name] : undefined;
      if (memberSchema) yield* nodes(memberSchema, member, oldMember, joinPath(at, name), faults);
    }
  }
}

/** Once for all rules of an object: a large one has thousands of rules to run, and may have as many faults. */
function placesAround(faults: ReadonlySet<string>): ReadonlySet<string> {
  const places = new Set(faults);
  for (const fault of faults) for (const { index } of fault.matchAll(STEP)) places.add(fault.slice(0, index));
  return places;
}

/** Of `a.b[3]["c.d"]`; a quoted member is one step, whatever it holds. */
const STEP = /\.|\[(?:\d+|"(?:[^"\\]|\\.)*")\]/g;

/** What a rule reads: `self.name`, or all of `self`. */
function readBy(rule: string, at: string): string[] {
  const whole = /\bself\b(?!\.\w+\b(?!\())/.test(rule);
  return whole ? [at] : [...rule.matchAll(/\bself\.(\w+)/g)].map(([, name]) => joinPath(at, name!));
}
