/** Versions for `version`, `/version` and the build metric. */
import { readFileSync } from 'node:fs';
import { ENVOY_VERSION } from './binaries/envoy.js';

export function readVersions(): { readonly countersign: string; readonly node: string; readonly envoy: string } {
  // Two folders up from src/app and from dist/app alike.
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return { countersign: manifest.version, node: process.versions.node, envoy: ENVOY_VERSION };
}
