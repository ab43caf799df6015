import { BlockList, isIP } from 'node:net';
import type { Access } from '../../model/model.js';

/** Admits an address or not; `address` without port. */
export type SourceRanges = (address: string) => boolean;

function blockListOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const slash = range.indexOf('/');
    const address = slash < 0 ? range : range.slice(0, slash);
    const type = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (slash < 0) list.addAddress(address, type);
    else list.addSubnet(address, Number(range.slice(slash + 1)), type);
  }
  return list;
}

/** `::ffff:10.0.0.1` is 10.0.0.1 that arrived on a dual-stack socket. */
const unmapped = (address: string): string => (/^::ffff:[0-9.]+$/i.test(address) ? address.slice(7) : address);

/**
 * Compiles `access.sourceRanges`: deny wins, an empty allow list admits all others. An address that cannot be
 * read is refused, and so is everybody when a range cannot be read.
 */
export function compileSourceRanges(ranges: NonNullable<Access['sourceRanges']>): SourceRanges {
  let allow: BlockList;
  let deny: BlockList;
  try {
    allow = blockListOf(ranges.allow);
    deny = blockListOf(ranges.deny);
  } catch {
    return () => false;
  }
  const admitsAll = ranges.allow.length === 0;
  return (address) => {
    const text = unmapped(address);
    const version = isIP(text);
    if (version === 0) return false;
    const type = version === 6 ? 'ipv6' : 'ipv4';
    return !deny.check(text, type) && (admitsAll || allow.check(text, type));
  };
}
