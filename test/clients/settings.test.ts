import { NPM_CLIENTS } from './npm-clients.js';
import { EQUALS_SIGN, PYTHON_CLIENTS } from './python-clients.js';
import { caseNamed, settingTests } from './settings.js';

const [huaweiNode] = NPM_CLIENTS;
const [huaweiPython, jdcloud, apim] = PYTHON_CLIENTS;

await settingTests([
  { client: huaweiNode!, verification: { body: 'Signed' }, request: caseNamed('POST binary'), reason: 'unsigned_body' },
  {
    client: huaweiPython!,
    verification: { body: 'Signed' },
    request: caseNamed('POST binary'),
    reason: 'unsigned_body',
  },
  {
    client: jdcloud!,
    verification: { compatibility: 'Strict' },
    request: caseNamed('unicode path'),
    reason: 'required_header_not_signed',
  },
  { client: apim!, verification: {}, request: caseNamed('POST binary'), reason: 'body_mismatch' },
  { client: apim!, verification: {}, request: EQUALS_SIGN, reason: 'uncovered_query' },
]);
