// Hashes of many values at once, over one small memory: hash-kernel.ts says where what lies. All of it is xxh64 with seed 0.
import { finish, hash64, mixWord, P5 } from '../../../shuffle-worker/kernel/assembly/xxh64';

/** Puts the hash of each 8 bytes in their place. */
export function eights(at: usize, count: u32): void {
  for (let end = at + (<usize>count << 3); at < end; at += 8) store<u64>(at, finish(mixWord(P5 + 8, load<u64>(at))));
}

/** Takes each of `values` into the state beside it, as 8 more bytes. */
export function fold(states: usize, values: usize, count: u32): void {
  const end = states + (<usize>count << 3);
  for (; states < end; states += 8, values += 8) store<u64>(states, mixWord(load<u64>(states), load<u64>(values)));
}

/** The end of each state. */
export function close(states: usize, count: u32): void {
  for (let end = states + (<usize>count << 3); states < end; states += 8) store<u64>(states, finish(load<u64>(states)));
}

/** The hash of bytes[offsets[i] - first, offsets[i + 1] - first) for each i, to `into`. */
export function texts(bytes: usize, offsets: usize, first: u32, count: u32, into: usize): void {
  let from = load<u32>(offsets);
  for (let i: u32 = 0; i < count; i++) {
    offsets += 4;
    const to = load<u32>(offsets);
    store<u64>(into, hash64(bytes + (from - first), to - from));
    into += 8;
    from = to;
  }
}
