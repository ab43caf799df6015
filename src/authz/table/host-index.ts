/**
 * Which base path, or environment segment below one, a path falls under on a host. Envoy chooses by the raw path; a
 * backend that decodes it may see the place of another group, perhaps one that asks for signatures.
 */
import { listChanges } from '../../lib/list-changes.js';
import type { Group } from '../../model/model.js';
import { otherReadings } from '../guard/path.js';

export interface HostIndex {
  readonly source: readonly Group[];
  /** True when `readings` of the raw `path` fall under another place of the host than the path itself. */
  leavesPlace(authority: string, path: string, readings: readonly string[]): boolean;
}

/** A text that paths begin with, and the places it can mean: more than one where only escapes tell them apart. */
type Places = Map<string, Set<string>>;

interface Host {
  readonly raw: Places;
  /** Every reading of every place. */
  readonly read: Places;
  longest: number;
}

/** The prefixes of a group by hostname: the same as the mounts that Envoy has. */
function* placesOf({
  hostnames,
  basePath,
  environments,
}: Group): Generator<readonly [hostname: string, prefix: string]> {
  const base = basePath === '/' ? '' : basePath;
  for (const hostname of hostnames) {
    yield [hostname, base];
    for (const { match } of environments) if (match.type === 'PathPrefix') yield [hostname, `${base}/${match.value}`];
  }
  for (const { match } of environments) if (match.type === 'Hostname') yield [match.value, base];
}

/** Most edits of a group leave its places as they are, and with them the index. */
function samePlaces(before: readonly Group[], after: readonly Group[]): boolean {
  const { gone, come } = listChanges(before, after);
  const textOf = (groups: readonly Group[]): string =>
    [...new Set(groups.flatMap((group) => [...placesOf(group)].map((place) => JSON.stringify(place))))].sort().join();
  return textOf(gone) === textOf(come);
}

/** @param previous the index of another time: what it has of these places is not worked out again. */
export function indexHosts(source: readonly Group[], previous?: HostIndex): HostIndex {
  if (previous && samePlaces(previous.source, source)) return { ...previous, source };
  const hosts = new Map<string, Host>();
  for (const group of source) {
    for (const [hostname, prefix] of placesOf(group)) {
      let host = hosts.get(hostname);
      if (!host) hosts.set(hostname, (host = { raw: new Map(), read: new Map(), longest: 0 }));
      addPlace(host.raw, prefix, prefix);
      for (const reading of [prefix, ...otherReadings(prefix)]) addPlace(host.read, reading, prefix);
      host.longest = Math.max(host.longest, prefix.length);
    }
  }
  function leavesPlace(authority: string, path: string, readings: readonly string[]): boolean {
    const host = readings.length === 0 ? undefined : findHost(hosts, authority);
    if (!host) return false;
    const [place] = longestPlaces(host.raw, path, host.longest) ?? [];
    return readings.some((reading) => {
      const places = longestPlaces(host.read, reading, host.longest);
      return places !== undefined && [...places].some((other) => other !== place);
    });
  }
  return { source, leavesPlace };
}

function addPlace(places: Places, text: string, place: string): void {
  const known = places.get(text);
  if (known) known.add(place);
  else places.set(text, new Set([place]));
}

/** As Envoy finds a virtual host: without the port, the exact name first, then the longest wildcard. */
function findHost(hosts: ReadonlyMap<string, Host>, authority: string): Host | undefined {
  const name = authority.replace(/:\d+$/, '').toLowerCase();
  const exact = hosts.get(name);
  if (exact) return exact;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const wildcard = hosts.get(`*${name.slice(dot)}`);
    if (wildcard) return wildcard;
  }
  return undefined;
}

/** What the longest known beginning of whole segments means. Looks no further than the longest place: a path may be huge. */
function longestPlaces(places: Places, path: string, longest: number): ReadonlySet<string> | undefined {
  let found = places.get('');
  for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
    const length = end < 0 ? path.length : end;
    if (length > longest) return found;
    found = places.get(path.slice(0, length)) ?? found;
    if (end < 0) return found;
  }
}
