import { describe, expect } from '@jest/globals';
import type { Api, Environment, Group, Model, Route } from '../../../src/model/model.js';
import { parseManifest } from '../../../src/provider/file/manifest.js';
import { readObjects } from '../../../src/provider/file/manifest-objects.js';
import { isRecord } from '../../../src/resources/core-resources.js';
import { createResourceSet, withRemains } from '../../../src/resources/resource-set.js';
import { translate } from '../../../src/translate/translate.js';
import type { Endpoint, ObjectStatus, TranslateContext } from '../../../src/translate/translation.js';
import { goldenTests, toGoldenYaml } from '../../support/golden.js';

/** A document `kind: Context` sets what flags and the clock would; these are its defaults. */
const DEFAULT_CONTEXT = { now: '2027-01-01T00:00:00Z', services: { 'shop/orders:8080': '192.0.2.10:9000' } };

describe('translate', () => {
  goldenTests(import.meta.dirname, async (input) => {
    const manifest = await parseManifest(input);
    if (!manifest.ok) throw new Error(manifest.fault.message);
    const objects = manifest.documents.flatMap(readObjects);
    const contextObject = objects.find(({ reference }) => reference.kind === 'Context')?.document.value;
    const manifests = objects.filter(({ reference }) => reference.kind !== 'Context');
    const resources = manifests.flatMap(({ resource }) => resource ?? []);
    const refused = new Set(
      manifests
        .filter(({ resource }) => !resource)
        .map(({ reference: { kind, namespace, name } }) => `${kind}/${namespace}/${name}`),
    );
    const context = readContext(contextObject);
    const remains = manifests.flatMap((object) => object.remains ?? []);
    const setOf = (inOrder: typeof resources, left: typeof remains) =>
      withRemains(createResourceSet(inOrder, refused), left);
    const translation = translate(setOf(resources, remains), context);
    // No case may depend on the order of files or of `kubectl apply`.
    expect(toGoldenYaml(translate(setOf(resources.toReversed(), remains.toReversed()), context))).toBe(toGoldenYaml(translation));
    const { model, statuses, problems, nextChangeMs } = translation;
    const told = [...manifests.flatMap((object) => object.problems), ...problems];
    return {
      out: {
        model: viewModel(model),
        statuses: Object.fromEntries([...statuses].map(([key, status]) => [key, viewStatus(status)])),
        problems: told.map(
          ({ severity, object, path, reason, message }) =>
            `${severity} ${object.kind}/${object.namespace}/${object.name} ${path}: ${reason}: ${message}`,
        ),
        nextChange: nextChangeMs === undefined ? undefined : new Date(nextChangeMs).toISOString(),
      },
    };
  });
});

interface ContextDocument {
  readonly now: string;
  readonly services: Readonly<Record<string, string>>;
  readonly clusterDomain?: string;
  readonly backendHosts?: readonly string[];
  readonly hostnames?: readonly string[];
  readonly counterStore?: 'Memory' | 'Single' | 'Sentinel' | 'Cluster';
  readonly singleOwner?: boolean;
  readonly servicesElsewhere?: boolean;
}

function readContext(value: unknown): TranslateContext {
  const context: ContextDocument = { ...DEFAULT_CONTEXT, ...(isRecord(value) ? value : {}) };
  const { now, services, clusterDomain, backendHosts, hostnames = [], counterStore, ...rest } = context;
  return {
    nowMs: Date.parse(now),
    ...(rest.singleOwner !== undefined && { singleOwner: rest.singleOwner }),
    ...(rest.servicesElsewhere !== undefined && { servicesElsewhere: rest.servicesElsewhere }),
    services: new Map(Object.entries(services).map(([key, address]) => [key, [readEndpoint(address)]])),
    ...(clusterDomain !== undefined && { clusterDomain }),
    ...(counterStore !== undefined && { counterStore }),
    allowedBackendHosts: backendHosts ?? 'Any',
    hostnameClaims: hostnames.map((claim) => {
      const [namespace = '', pattern = ''] = claim.split('=');
      return { namespace, pattern };
    }),
  };
}

function readEndpoint(address: string): Endpoint {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

const line = ({ type, status, reason, message }: ObjectStatus['conditions'][number]): string =>
  [`${type}=${status}`, reason, message].filter((part) => part !== '').join(' | ');

function viewStatus({ conditions, idle, fields }: ObjectStatus): unknown {
  const targets =
    'targets' in fields
      ? fields.targets.map((target) => ({ ...target, conditions: target.conditions.map(line) }))
      : undefined;
  return { conditions: conditions.map(line), idle, ...fields, targets };
}

/** The model as a reviewer reads it: routes once, settings that an API shares with its group not repeated. */
function viewModel(model: Model): unknown {
  return { ...model, groups: model.groups.map(viewGroup) };
}

function viewGroup({ environments, ...group }: Group): unknown {
  const routes = new Map<string, Route>();
  for (const environment of environments)
    for (const { route } of [environment, ...environment.apis]) routes.set(route.id, route);
  return {
    ...group,
    environments: environments.map(viewEnvironment),
    routes: Object.fromEntries([...routes].map(([id, { group: _group, id: _id, ...route }]) => [id, route])),
  };
}

function viewEnvironment({ apis, route, ...environment }: Environment): unknown {
  return { ...environment, route: route.id, apis: apis.map((api) => viewApi(api, environment.verification)) };
}

function viewApi({ verification, route, match, ...api }: Api, shared: Api['verification']): unknown {
  return {
    ...api,
    match: `${match.path.type} ${match.path.value} ${match.methods?.join(',') ?? 'any'}`,
    verification: verification === shared ? undefined : verification,
    route: route.id,
  };
}
