/** Which certificates a setting of names admits. */
import { subjectAltNames } from '../xds/server/ads-server.js';
import type { Peer } from '../xds/server/plane.js';

/** Judges a peer by `--envoy-name` or `--authorizer-name`: DNS names, or URIs where they hold `://`. */
export const admits =
  (names: readonly string[]) =>
  ({ subjectAltNames: shown }: Pick<Peer, 'subjectAltNames'>): boolean =>
    names.some((name) => shown.includes(name.includes('://') ? `URI:${name}` : `DNS:${name}`));

/** The same for the text form that Node gives: `DNS:a, URI:b`. */
export const admitsText =
  (names: readonly string[]) =>
  (text: string): boolean =>
    admits(names)({ subjectAltNames: subjectAltNames(text) });
