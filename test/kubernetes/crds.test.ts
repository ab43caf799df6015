import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { checkObject } from '../../src/api/schema.js';
import { crdSchema, type Schema } from '../../src/api/crd.js';
import { KINDS } from '../../src/api/types.js';
import { readCrdCases } from '../support/crd-cases.js';
import { eventually } from '../support/eventually.js';
import { findKubeBinaries, startKubeApiServer, type KubeApiServer } from '../support/kubernetes/kube-api-server.js';

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly names: { readonly kind: string; readonly plural: string } };
}
interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly spec?: unknown;
}

const folder = fileURLToPath(new URL('../../crds/', import.meta.url));
const definitions = readdirSync(folder).map((file) => parse(readFileSync(folder + file, 'utf8')) as Definition);
const binaries = findKubeBinaries();
const ruleMessages = new Set(KINDS.flatMap((kind) => [...messages(crdSchema(kind))]));

function* messages(schema: Schema): Generator<string> {
  for (const { message } of schema['x-kubernetes-validations'] ?? []) yield message;
  const below = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties];
  for (const each of below) if (each) yield* messages(each);
}

if (typeof binaries === 'string') {
  // The name says in the report why nothing ran.
  describe.skip(`crds/ in a real API server: not run, ${binaries}`, () => test('verdicts', () => undefined));
} else {
  describe('crds/ in a real API server', () => {
    let server: KubeApiServer;

    beforeAll(async () => {
      server = await startKubeApiServer(binaries);
    }, 120_000);
    afterAll(async () => server?.stop());

    const pathOf = ({ kind }: Resource) => {
      const { plural } = definitions.find(({ spec }) => spec.names.kind === kind)!.spec.names;
      return `/apis/countersign.dev/v1alpha1/namespaces/default/${plural}`;
    };
    const create = (object: Resource, query = '') =>
      server.request('POST', `${pathOf(object)}?fieldValidation=Strict${query}`, object);
    const update = (object: Resource) =>
      server.request('PUT', `${pathOf(object)}/${object.metadata.name}?fieldValidation=Strict`, object);

    describe('the definitions', () => {
      test.each(definitions.map((each) => [each.metadata.name, each] as const))(
        '%s is accepted, structural and within the cost of CEL',
        async (name, definition) => {
          const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
          const { status, body } = await server.request('POST', `${path}?fieldValidation=Strict`, definition);
          expect({ status, message: body['message'] }).toEqual({ status: 201, message: undefined });
          await eventually(async () => {
            const { body: stored } = await server.request('GET', `${path}/${name}`);
            const { conditions } = stored['status'] as { conditions: { type: string; status: string }[] };
            const state = Object.fromEntries(conditions.map((each) => [each.type, each.status]));
            expect(state).toEqual({ NamesAccepted: 'True', Established: 'True' });
            const { status: served } = await server.request(
              'GET',
              pathOf({ kind: definition.spec.names.kind } as Resource),
            );
            expect(served).toBe(200);
          });
        },
      );
    });

    describe('a case gets the verdict of our own checker', () => {
      const cases = readCrdCases().map((each, index) => {
        const rename = (raw: unknown): Resource => {
          const object = raw as Resource;
          return object.metadata.name === 'case'
            ? { ...object, metadata: { ...object.metadata, name: `case-${index}` } }
            : object;
        };
        return [each.name, { ...each, earlier: each.earlier.map(rename), judged: rename(each.judged) }] as const;
      });

      test.each(cases)('%s', async (_name, { earlier, judged, valid, wants }) => {
        let version: string | undefined;
        for (const object of earlier) {
          const { status, body } = await create(object);
          expect({ status, message: body['message'] }).toEqual({ status: 201, message: undefined });
          version = (body['metadata'] as Resource['metadata']).resourceVersion;
        }
        const { status, body } =
          version === undefined
            ? await create(judged, '&dryRun=All')
            : await update({ ...judged, metadata: { ...judged.metadata, resourceVersion: version } });
        if (valid) {
          expect({ status: status < 300, message: body['message'] }).toEqual({ status: true, message: undefined });
          expect(body['spec']).toEqual(checkObject(judged).object!.spec);
        } else {
          expect([400, 422]).toContain(status);
          if (ruleMessages.has(wants)) expect(body['message']).toContain(wants);
        }
      });
    });

    describe('its status can be written by server-side apply', () => {
      // Apply merges spec too, and fails on lists that it cannot merge.
      const objects = readCrdCases().flatMap(({ name, valid, earlier, judged }, index) => {
        const object = judged as Resource;
        return valid && earlier.length === 0
          ? [[name, { ...object, metadata: { ...object.metadata, name: `apply-${index}` } }] as const]
          : [];
      });
      test.each(objects)('%s', async (_name, object) => {
        expect((await create(object)).status).toBe(201);
        const { apiVersion, kind } = object as Resource & { apiVersion: string };
        const condition = { type: 'Ready', status: 'True', reason: 'Ready', message: '' };
        const { status, body } = await server.request(
          'PATCH',
          `${pathOf(object)}/${object.metadata.name}/status?fieldManager=test&force=true`,
          {
            ...{ apiVersion, kind, metadata: { name: object.metadata.name } },
            status: { conditions: [{ ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' }] },
          },
          'application/apply-patch+yaml',
        );
        expect({ status, message: body['message'] }).toEqual({ status: 200, message: undefined });
      });
    });
  });
}
