import { beforeEach, describe, expect, test } from '@jest/globals';
import { Rejections } from '../../../src/app/controller/rejections.js';
import { EPOCH_TYPE, KEY_TYPE } from '../../../src/policy/resource-types.js';

let versions: Map<string, string>;
let rejections: Rejections;
beforeEach(() => {
  versions = new Map([
    [KEY_TYPE, '1'],
    [EPOCH_TYPE, '7'],
  ]);
  rejections = new Rejections([], (typeUrl) => versions.get(typeUrl));
});

const errors = (): string[] => rejections.problems([]).map(({ object, message }) => `${object.kind}: ${message}`);
const TEXT = 'was rejected, what was there before stays';

describe('what a node rejected is a problem', () => {
  test.each([
    ['a key', KEY_TYPE, 'Key'],
    ['an epoch', EPOCH_TYPE, 'Epoch'],
  ])('until another version is offered: %s', (_, type, kind) => {
    rejections.add(type, 'name', 'one', 'it is no good');
    rejections.forgetOld();
    expect(errors()).toEqual([`${kind}: ${TEXT}: it is no good`]);
    versions.set(type, 'next');
    rejections.forgetOld();
    expect(errors()).toEqual([]);
  });

  test('until it is offered no more, or was not when it was rejected', () => {
    rejections.add(KEY_TYPE, 'name', 'one', 'it is no good');
    versions.delete(KEY_TYPE);
    rejections.add(KEY_TYPE, 'late', 'one', 'it is no good');
    rejections.forgetOld();
    expect(rejections.isEmpty).toBe(true);
  });

  test('until every node that did holds all of the type', () => {
    rejections.add(KEY_TYPE, 'name', 'one', 'it is no good');
    rejections.add(KEY_TYPE, 'name', 'other', 'nor is it here');
    rejections.accepted(EPOCH_TYPE, 'one');
    rejections.accepted(KEY_TYPE, 'one');
    rejections.accepted(KEY_TYPE, 'third');
    expect(errors()).toEqual([`Key: ${TEXT}: nor is it here`]);
    rejections.accepted(KEY_TYPE, 'other');
    expect(rejections.isEmpty).toBe(true);
  });

  test('in the newest version alone', () => {
    rejections.add(KEY_TYPE, 'name', 'one', 'it is no good');
    versions.set(KEY_TYPE, '2');
    rejections.add(KEY_TYPE, 'name', 'other', 'nor is it here');
    rejections.accepted(KEY_TYPE, 'other');
    expect(rejections.isEmpty).toBe(true);
  });
});
