/** One API of a group, in one environment: overrides merged, rules checked that the schema cannot. */
import type { ApiGroupApi, ApiGroupSpec } from '../../api/types.js';
import type { Access, Rewrite } from '../../model/model.js';
import type { VerificationOptions } from '../../signature/dialect.js';
import { isVariable } from './api-conflicts.js';
import { mergeAccess, mergeVerification } from './settings.js';
import type { Problems } from '../statuses/status.js';

/** Settings of an API that are the same in every environment. */
export interface ApiSettings {
  readonly spec: ApiGroupApi;
  readonly path: string;
  readonly access: Access;
  readonly verification: VerificationOptions;
  readonly rewrite: Rewrite | undefined;
  /** Keeps its match and serves nothing. */
  readonly refused: boolean;
}

/** Settings of a group that an API without overrides shares by identity. */
export interface GroupSettings {
  readonly spec: ApiGroupSpec;
  readonly access: Access;
  readonly verification: VerificationOptions;
}

/** What nobody reads of a refused API; closed, should somebody do. */
const CLOSED: Access = {
  authentication: 'Signature',
  authorization: 'Enabled',
  usagePlan: 'Required',
  sourceRanges: undefined,
};

export const refuseApi = (spec: ApiGroupApi, path: string, { verification }: GroupSettings): ApiSettings => ({
  spec,
  path,
  access: CLOSED,
  verification,
  rewrite: undefined,
  refused: true,
});

/** A refused API keeps its match; the reason is among `problems`. */
export function readApi(spec: ApiGroupApi, path: string, group: GroupSettings, problems: Problems): ApiSettings {
  const merged =
    spec.access || spec.verification ? mergeAccess(group.spec.access, spec.access) : { access: group.access };
  if ('contradiction' in merged) {
    problems.error('Invalid', `${path}.access`, merged.contradiction);
    return refuseApi(spec, path, group);
  }
  const verification = spec.verification
    ? mergeVerification(group.spec.verification, spec.verification)
    : group.verification;
  if (merged.access.authentication === 'Signature' && verification.dialects.length === 0) {
    problems.error(
      'RequiredField',
      `${path}.verification.dialects`,
      'is required: neither the API nor its group lists a dialect',
    );
    return refuseApi(spec, path, group);
  }
  const variables = templateVariables(spec.match.path.type === 'Template' ? spec.match.path.value : '');
  if (new Set(variables).size < variables.length) {
    problems.error('Duplicate', `${path}.match.path.value`, 'names a variable twice');
    return refuseApi(spec, path, group);
  }
  const unknown = templateVariables(spec.rewrite?.path ?? '').find((name) => !variables.includes(name));
  if (unknown !== undefined) {
    problems.error('InvalidValue', `${path}.rewrite.path`, `uses ${unknown}, which match.path does not have`);
    return refuseApi(spec, path, group);
  }
  return { spec, path, access: merged.access, verification, rewrite: readRewrite(spec), refused: false };
}

const templateVariables = (path: string): string[] => path.split('/').filter(isVariable);

function readRewrite({ rewrite }: ApiGroupApi): Rewrite | undefined {
  if (!rewrite) return undefined;
  return {
    path: rewrite.path,
    method: rewrite.method,
    setHeaders: (rewrite.setHeaders ?? []).map(({ name, value }) => [name.toLowerCase(), value] as const),
  };
}
