import { caseNamed, settingTests } from '../clients/settings.js';
import { COMPILED_CLIENTS } from './compiled-clients.js';

const [huaweiGo] = COMPILED_CLIENTS;
const request = caseNamed('unicode path');

await settingTests([
  {
    client: huaweiGo!,
    verification: { requiredSignedHeaders: ['host'] },
    request,
    reason: 'required_header_not_signed',
  },
  { client: huaweiGo!, verification: { compatibility: 'Strict' }, request, reason: 'required_header_not_signed' },
]);
