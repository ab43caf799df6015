import { must } from '../support/must.js';
import { CASES } from './cases.js';

/** Tencent's key pair signs the listed headers and nothing else. */
export const TENCENT_UNSIGNED = { every: ['method', 'path', 'query', 'body', 'host', 'content-type'] } as const;

const AWKWARD = must(CASES.find(({ name }) => name === 'awkward query'));
const WITHOUT_ESCAPE = 'awkward query without a value that reads as an escape';

/** Applications sign the request; what stands in no list all the same are Accept, Content-Type and Content-MD5. */
export const TENCENT_APPLICATION = {
  uncovered: { every: ['host'], 'without body': ['body'] },
  signedUnlisted: ['accept', 'content-md5'],
  refused: { 'awkward query': 'the value %41 is signed as by a client that signs its query raw and sends A' },
  extraCases: [{ ...AWKWARD, name: WITHOUT_ESCAPE, query: AWKWARD.query.filter(([, value]) => value !== '%41') }],
};
