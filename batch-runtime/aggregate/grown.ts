/** Arrays of accumulators, which grow with their groups: twice as long each time, so that a row costs the same however many groups come. */

const room = (length: number, now: number): number => Math.max(length, 2 * now, 64);

export function grownDoubles(values: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(room(length, values.length));
  grown.set(values);
  return grown;
}

export function grownWords(values: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(room(length, values.length));
  grown.set(values);
  return grown;
}

export function grownBytes(values: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(room(length, values.length));
  grown.set(values);
  return grown;
}
