import type { Dialect, DialectName } from './dialect.js';
import { huawei } from './huawei/dialect.js';
import { jdcloud } from './jdcloud/dialect.js';
import { tencentApplication } from './tencent-application/dialect.js';
import { tencent } from './tencent/dialect.js';

/** Every dialect. A name without a line here does not compile. */
const BY_NAME: { readonly [Name in DialectName]: Dialect & { readonly name: Name } } = {
  JDCloud: jdcloud,
  Huawei: huawei,
  Tencent: tencent,
  TencentApplication: tencentApplication,
};

export const DIALECTS: readonly Dialect[] = Object.values(BY_NAME);

export const dialectByName = (name: DialectName): Dialect => BY_NAME[name];

/** Drops cached key material of these key ids, or of all: when keys are revoked or their secrets change. */
export function forgetKeys(keyIds?: ReadonlySet<string>): void {
  for (const dialect of DIALECTS) dialect.forgetKeys?.(keyIds);
}
