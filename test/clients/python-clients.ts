/** Clients in Python: the vendors' SDKs from PyPI, and Tencent's sample. */
import { join } from 'node:path';
import type { Missing, Program, VendorClient } from './client.js';
import { programs } from './npm-clients.js';
import { missingCommand, PYTHON_PACKAGES, pythonPackage, type PythonPackage } from './packages.js';
import { TENCENT_APPLICATION, TENCENT_UNSIGNED } from './tencent-unsigned.js';

const [HUAWEI, JDCLOUD, JDCLOUD_APIM] = PYTHON_PACKAGES;

const python = (name: string, vendor?: PythonPackage) => async (): Promise<Program | Missing> => {
  const missing = await missingCommand('python3', '--version');
  if (missing) return { missing };
  const installed = vendor ? await pythonPackage(vendor) : { folder: '' };
  if ('missing' in installed) return installed;
  return {
    command: 'python3',
    args: ['-W', 'ignore', join(programs, name, 'main.py')],
    environment: { PYTHONPATH: installed.folder, PYTHONDONTWRITEBYTECODE: '1' },
  };
};

export const EQUALS_SIGN = {
  name: 'equals sign in a query value',
  method: 'GET',
  path: '/v1/items',
  query: [['expression', 'a=b']],
} as const;

export const PYTHON_CLIENTS: readonly VendorClient[] = [
  {
    name: `PyPI ${HUAWEI.distribution} ${HUAWEI.version}`,
    language: 'Python',
    dialect: 'Huawei',
    prepare: python('huawei-python', HUAWEI),
    uncovered: { 'POST binary': ['body'] },
  },
  {
    name: `PyPI ${JDCLOUD.distribution} ${JDCLOUD.version}`,
    language: 'Python',
    dialect: 'JDCloud',
    prepare: python('jdcloud-python', JDCLOUD),
    uncovered: { every: ['x-jdcloud-nonce'] },
    extraCases: [EQUALS_SIGN],
  },
  {
    name: `PyPI ${JDCLOUD_APIM.distribution} ${JDCLOUD_APIM.version}`,
    language: 'Python',
    dialect: 'JDCloud',
    prepare: python('jdcloud-apim-python', JDCLOUD_APIM),
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
  {
    name: 'after the Tencent application sample, Python, Content-MD5 not sent',
    language: 'Python',
    dialect: 'TencentApplication',
    prepare: python('tencent-application-python'),
    ...TENCENT_APPLICATION,
  },
];
