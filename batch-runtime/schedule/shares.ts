/**
 * What each task of a scan reads: a source cuts itself as small as it can be read apart, a task reads as many neighbouring splits as
 * makes its work worth its start. Pure; called by the coordinator.
 */
import type { Split } from '../connectors/connector.ts';

/** Tasks of a scan for each slot: the last to end wait for less than one of them. */
const sharesPerSlot = 4;
/** What a task that is lost has to read again, at most. */
const mostBytes = 128 * 1024 * 1024;

/** Splits put together, in their order. @param slots  tasks that run at once */
export function sharesOf(splits: readonly Split[], slots: number): Split[] {
  const wanted = Math.min(mostBytes, splits.reduce((sum, split) => sum + weight(split), 0) / (slots * sharesPerSlot));
  const shares: Split[] = [];
  for (const split of splits) {
    const last = shares.at(-1);
    if (last === undefined || weight(last) + weight(split) / 2 > wanted) shares.push(split);
    else shares[shares.length - 1] = { bytes: last.bytes + split.bytes, rows: last.rows + split.rows, parts: [...last.parts, ...split.parts] };
  }
  return shares;
}

/** Of splits nobody knows the size of, all weigh the same. */
const weight = ({ bytes, parts }: Split): number => Math.max(bytes, parts.length);
