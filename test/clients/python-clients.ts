/** Clients in Python: the vendors' SDKs from PyPI, in the versions whose signatures the vectors hold, and Tencent's sample. */
import { join } from 'node:path';
import type { Missing, Program, VendorClient } from './client.js';
import { programs } from './npm-clients.js';
import { missingCommand, pythonPackage } from './packages.js';
import { TENCENT_UNSIGNED } from './tencent-unsigned.js';

const python =
  (name: string, distribution?: string, version = '') =>
  async (): Promise<Program | Missing> => {
    const missing = await missingCommand('python3', '--version');
    if (missing) return { missing };
    const installed = distribution === undefined ? { folder: '' } : await pythonPackage(distribution, version);
    if ('missing' in installed) return installed;
    return {
      command: 'python3',
      args: ['-W', 'ignore', join(programs, name, 'main.py')],
      environment: { PYTHONPATH: installed.folder, PYTHONDONTWRITEBYTECODE: '1' },
    };
  };

const EQUALS_SIGN = {
  name: 'equals sign in a query value',
  method: 'GET',
  path: '/v1/items',
  query: [['expression', 'a=b']],
} as const;

export const PYTHON_CLIENTS: readonly VendorClient[] = [
  {
    name: 'PyPI huaweicloudsdkcore 3.1.219',
    language: 'Python',
    dialect: 'Huawei',
    prepare: python('huawei-python', 'huaweicloudsdkcore', '3.1.219'),
    uncovered: { 'POST binary': ['body'] },
  },
  {
    name: 'PyPI jdcloud_sdk 1.6.354',
    language: 'Python',
    dialect: 'JDCloud',
    prepare: python('jdcloud-python', 'jdcloud_sdk', '1.6.354'),
    uncovered: { every: ['x-jdcloud-nonce'] },
    extraCases: [EQUALS_SIGN],
  },
  {
    name: 'PyPI jdcloud-apim-sdk 1.0.1',
    language: 'Python',
    dialect: 'JDCloud',
    prepare: python('jdcloud-apim-python', 'jdcloud-apim-sdk', '1.0.1'),
    extraCases: [EQUALS_SIGN],
    refused: {
      'POST binary': 'the SDK signs the hash of an empty body for a file',
      [EQUALS_SIGN.name]: 'the SDK leaves out of the signature what follows the second equals sign',
    },
  },
  {
    name: 'after the Tencent sample, Python, Date',
    language: 'Python',
    dialect: 'Tencent',
    prepare: python('tencent-python'),
    uncovered: TENCENT_UNSIGNED,
  },
];
