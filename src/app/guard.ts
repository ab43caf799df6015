/** What the guards in front of verification say about a request, for `countersign verify`. */
import { guardHeaders } from '../authz/guard/headers.js';
import { isCanonicalPath } from '../authz/guard/path.js';
import type { DenyReason } from '../lib/reason.js';
import type { WireRequest } from '../signature/dialect.js';

/** The refusal of the path or header guard, or `undefined` when both let the request pass. */
export function guardRequest(request: WireRequest): DenyReason | undefined {
  const end = request.target.indexOf('?');
  if (!isCanonicalPath(end < 0 ? request.target : request.target.slice(0, end))) return 'non_canonical_path';
  const authority = request.headers.find(([name]) => name === 'host')?.[1] ?? '';
  return guardHeaders({ headers: request.headers, authority })?.refused;
}
