/**
 * Who serves a hostname and base path. Every group claims (hostname, basePath) pairs; a claim loses as a unit,
 * the rest of the group is served. The outcome depends on the objects alone, never on the order of events.
 */
import { compareText } from '../../lib/compare-text.js';

/** What decides between two objects; design.md §4 "Conflicts". */
export interface Claimant {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** creationTimestamp; in a folder when it was first seen there. */
  readonly createdMs: number | undefined;
}

/** The older object wins, then namespace/name. No timestamp counts as the youngest, so two without are equal. */
export function compareAge(a: Claimant, b: Claimant): number {
  const ages = (a.createdMs ?? Number.POSITIVE_INFINITY) - (b.createdMs ?? Number.POSITIVE_INFINITY);
  return Number.isNaN(ages) || ages === 0 ? compareText(a.key, b.key) : ages;
}

export interface HostnameClaim {
  readonly claimant: Claimant;
  readonly hostname: string;
  /** `/` or `/orders/v2`. */
  readonly basePath: string;
}

/**
 * Inside a namespace names decide, so that the same manifests mean the same in every cluster. Where one person owns all
 * namespaces (a folder) nobody can be asked to keep names apart, and the older object stays there too. Decision 10.
 */
export const compareInNamespace = (singleOwner: boolean): ((a: Claimant, b: Claimant) => number) =>
  singleOwner ? compareAge : (a, b) => compareText(a.name, b.name);

/** The claim that won against each one that lost. */
export type LostClaims = ReadonlyMap<HostnameClaim, HostnameClaim>;

/**
 * Decides all claims. Inside a namespace only equal base paths conflict (nested ones are routed to the longer). Between namespaces equal and nested base paths do, or one tenant could take over paths of another.
 * Linear in claims and their path segments.
 */
export function resolveHostnameClaims(claims: readonly HostnameClaim[], singleOwner = false): LostClaims {
  const compare = compareInNamespace(singleOwner);
  const lost = new Map<HostnameClaim, HostnameClaim>();
  for (const sameHost of groupBy(claims, (claim) => claim.hostname).values()) {
    const survivors: HostnameClaim[] = [];
    for (const same of groupBy(sameHost, (claim) => `${claim.claimant.namespace} ${claim.basePath}`).values()) {
      const [winner, ...losers] = same.sort((a, b) => compare(a.claimant, b.claimant));
      if (!winner) continue;
      survivors.push(winner);
      for (const loser of losers) if (loser.claimant.key !== winner.claimant.key) lost.set(loser, winner);
    }
    resolveAcrossNamespaces(survivors, lost);
  }
  return lost;
}

function resolveAcrossNamespaces(claims: HostnameClaim[], lost: Map<HostnameClaim, HostnameClaim>): void {
  const exact = new Map<string, HostnameClaim[]>();
  const ancestors = new Map<string, HostnameClaim[]>();
  for (const claim of claims.sort((a, b) => compareAge(a.claimant, b.claimant))) {
    const prefixes = pathPrefixes(claim.basePath);
    const foreign = (owner: HostnameClaim): boolean => owner.claimant.namespace !== claim.claimant.namespace;
    const winner =
      prefixes.flatMap((prefix) => exact.get(prefix) ?? []).find(foreign) ??
      ancestors.get(claim.basePath)?.find(foreign);
    if (winner) {
      lost.set(claim, winner);
      continue;
    }
    // One owner per namespace is enough to answer, and keeps the lists short.
    addOwner(exact, claim.basePath, claim);
    for (const prefix of prefixes) addOwner(ancestors, prefix, claim);
  }
}

function addOwner(owners: Map<string, HostnameClaim[]>, path: string, claim: HostnameClaim): void {
  const list = owners.get(path);
  if (!list) owners.set(path, [claim]);
  else if (!list.some((owner) => owner.claimant.namespace === claim.claimant.namespace)) list.push(claim);
}

/** `/a/b` → `/`, `/a`, `/a/b`. */
function pathPrefixes(basePath: string): string[] {
  const prefixes = ['/'];
  for (let i = basePath.indexOf('/', 1); i > 0; i = basePath.indexOf('/', i + 1)) prefixes.push(basePath.slice(0, i));
  if (basePath !== '/') prefixes.push(basePath);
  return prefixes;
}

export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** `--hostnames ns=pattern`: which hostnames a namespace (`*`: every one) may claim. `*` = any, `*.example.com` = all below it, else exactly one. */
export interface HostnamePermission {
  readonly namespace: string;
  readonly pattern: string;
}

/** Without any permission configured every namespace may claim every hostname; with one, only what is listed. */
export function mayClaimHostname(
  permissions: readonly HostnamePermission[],
  namespace: string,
  hostname: string,
): boolean {
  if (permissions.length === 0) return true;
  const wanted = hostname.toLowerCase();
  return permissions.some((permission) => {
    const pattern = permission.pattern.toLowerCase();
    if (permission.namespace !== '*' && permission.namespace !== namespace) return false;
    if (pattern === '*' || pattern === wanted) return true;
    return (
      pattern.startsWith('*.') && wanted.replace(/^\*/, '').endsWith(pattern.slice(1)) && wanted !== pattern.slice(2)
    );
  });
}
