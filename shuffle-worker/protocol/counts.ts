/**
 * Block counts in few bytes: LEB128 numbers, where a 0 is followed by the length of its run of zeros. Manifests, the
 * END message and the skip vector of OPEN_READ all say their counts this way. A million empty partitions are 4 bytes.
 */

/** The codes of `counts` in a row. At most 5 bytes a count. */
export function encodeCounts(counts: Uint32Array): Uint8Array {
  let bytes = new Uint8Array(Math.min(counts.length, 4096) + 16);
  let at = 0;
  const put = (value: number): void => {
    if (at + 5 > bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    let rest = value;
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
  };
  for (let i = 0; i < counts.length; ) {
    const count = counts[i]!;
    put(count);
    if (count > 0) {
      i++;
      continue;
    }
    const from = i;
    while (i < counts.length && counts[i] === 0) i++;
    put(i - from);
  }
  return bytes.slice(0, at);
}

/**
 * Calls `each(index, count)` for every count above 0 of the `total` counts coded at bytes[at..], and answers the
 * position after them; -1 when the bytes are no such coding: cut off, more than u32, a run of 0 or beyond `total`.
 */
export function decodeCounts(bytes: Uint8Array, at: number, total: number, each: (index: number, count: number) => void): number {
  let position = at;
  let zeros = false;
  for (let index = 0; index < total; ) {
    let value = 0;
    let scale = 1;
    for (;;) {
      if (position >= bytes.length || scale > 0x10000000) return -1;
      const byte = bytes[position++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) return -1;
        break;
      }
      scale *= 128;
    }
    if (value > 0xffffffff) return -1;
    if (zeros) {
      if (value === 0 || value > total - index) return -1;
      index += value;
      zeros = false;
    } else if (value === 0) zeros = true;
    else each(index++, value);
  }
  return zeros ? -1 : position;
}
