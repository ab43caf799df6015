/** Clients that need only what npm installs: the versions are those of package-lock.json. */
import { join } from 'node:path';
import type { VendorClient } from './client.js';
import { TENCENT_APPLICATION, TENCENT_UNSIGNED } from './tencent-unsigned.js';

export const programs = join(import.meta.dirname, 'programs');
const node = (name: string) => async () => ({ command: process.execPath, args: [join(programs, name, 'main.mjs')] });

export const NPM_CLIENTS: readonly VendorClient[] = [
  {
    name: 'npm @huaweicloud/huaweicloud-sdk-core 3.1.211',
    language: 'Node',
    dialect: 'Huawei',
    prepare: node('huawei-node'),
    uncovered: { 'POST binary': ['body'] },
    extraCases: [
      { name: 'apostrophe in the path', method: 'GET', path: "/v1/o'clock", query: [] },
      {
        name: 'serialised JSON as body',
        method: 'POST',
        path: '/v1/items',
        query: [],
        contentType: 'application/json',
        json: '{"n":1}',
      },
    ],
    refused: {
      'apostrophe in the path': 'the SDK signs %2527 and sends an apostrophe',
      'serialised JSON as body': 'the SDK signs the text in quotes and sends it without',
    },
  },
  { name: 'npm jdcloud-sdk-js 1.2.202', language: 'Node', dialect: 'JDCloud', prepare: node('jdcloud-node') },
  {
    name: 'after the Tencent sample, Node, Date',
    language: 'Node',
    dialect: 'Tencent',
    prepare: node('tencent-node'),
    uncovered: TENCENT_UNSIGNED,
  },
  {
    name: 'after the Tencent sample, JavaScript, X-Date',
    language: 'Node',
    dialect: 'Tencent',
    prepare: node('tencent-javascript'),
    uncovered: TENCENT_UNSIGNED,
  },
  {
    name: 'after the Tencent application sample, Node',
    language: 'Node',
    dialect: 'TencentApplication',
    prepare: node('tencent-application-node'),
    ...TENCENT_APPLICATION,
  },
];
