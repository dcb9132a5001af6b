/** Text cut at separators, a whole column at once: where the parts of each row are, and their bytes one behind the other. Called by `split`. */
import type { Column } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { makeColumn } from '../batch/column.ts';
import { findText } from './text-edit.ts';

const utf8 = { kind: 'utf8' } as const;

/**
 * @param text, by   without dictionaries
 * @param validity   rows where both are there; null = all
 * @returns          offsets of the rows' parts, and the parts; a null row has none
 */
export function splitText(
  text: Column,
  by: Column,
  validity: Uint8Array | null,
  length: number,
): { readonly offsets: Int32Array; readonly items: Column } {
  const source = text.data as Uint8Array;
  const separators = by.data as Uint8Array;
  const rows = new Int32Array(length + 1);
  const bytes = new Uint8Array(text.offsets![length]! - text.offsets![0]!);
  let ends = new Int32Array(length + 65);
  let count = 0;
  let used = 0;
  const put = (from: number, to: number): void => {
    if (to - from > 80) {
      bytes.set(source.subarray(from, to), used);
      used += to - from;
    } else for (let at = from; at < to; at++) bytes[used++] = source[at]!;
    if (++count === ends.length) {
      const grown = new Int32Array(2 * ends.length);
      grown.set(ends);
      ends = grown;
    }
    ends[count] = used;
  };
  for (let i = 0; i < length; i++) {
    if (validity === null || bitAt(validity, i) === 1) {
      const end = text.offsets![i + 1]!;
      const [byFrom, byTo] = [by.offsets![i]!, by.offsets![i + 1]!];
      let from = text.offsets![i]!;
      if (byFrom === byTo) {
        if (from === end) put(from, end);
        while (from < end) {
          let to = from + 1;
          while (to < end && (source[to]! & 0xc0) === 0x80) to++;
          put(from, to);
          from = to;
        }
      } else {
        for (;;) {
          const at = findText(source, from, end, separators, byFrom, byTo);
          put(from, at < 0 ? end : at);
          if (at < 0) break;
          from = at + byTo - byFrom;
        }
      }
    }
    rows[i + 1] = count;
  }
  return { offsets: rows, items: makeColumn(utf8, count, bytes.subarray(0, used), null, ends.subarray(0, count + 1)) };
}
