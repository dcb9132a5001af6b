/** Data of a job that its attackers must never see a byte of: payloads with words that stand nowhere else. */
const words = 'PLANTED-OF-THE-GOOD-JOB:';

/** `length` bytes, at least as long as the words. */
export function plantedPayload(length: number, seed: number): Uint8Array {
  const text = `${words}${seed.toString(16).padStart(8, '0')};`;
  return new TextEncoder().encode(text.repeat(Math.ceil(length / text.length)).slice(0, length));
}

/** Any eight bytes of the words betray them: a piece that is cut out is found, too. */
const pieces = Array.from({ length: words.length - 7 }, (_, at) => Buffer.from(words.slice(at, at + 8)));

export function holdsPlanted(bytes: Uint8Array): boolean {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A payload repeats its words: one of them is whole in whatever is longer than twice their length.
  return bytes.length > 80 ? all.includes(words) : pieces.some((piece) => all.includes(piece));
}
