import type { Model } from '../model/model.js';

const count = (n: number, noun: string): string => `${String(n)} ${noun}${n === 1 ? '' : 's'}`;

/** What is served, in a line for people: `1 group, 2 APIs, 3 caller keys, 0 problems`. */
export function summarize({ groups, callerKeys }: Model, problems: number): string {
  return [
    count(groups.length, 'group'),
    count(
      groups.reduce((sum, { environments }) => sum + namesOf(environments), 0),
      'API',
    ),
    count(callerKeys.length, 'caller key'),
    count(problems, 'problem'),
  ].join(', ');
}

/** An API is one, in however many environments. */
const namesOf = (environments: Model['groups'][number]['environments']): number =>
  new Set(environments.flatMap(({ apis }) => apis.map(({ name }) => name))).size;

export const servesNothing = ({ groups }: Model): boolean =>
  groups.every(({ environments }) => environments.every(({ apis }) => apis.length === 0));
