// xxHash64 with seed 0. `hash64` takes any length; `hashHeader` and `hashWords` are the two shapes blocks have:
// 56 bytes, and a multiple of 8.

const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;
export const P5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function round(accumulator: u64, input: u64): u64 {
  return rotl<u64>(accumulator + input * P2, 31) * P1;
}

// @ts-ignore: decorator
@inline
export function mixWord(hash: u64, word: u64): u64 {
  return rotl<u64>(hash ^ round(0, word), 27) * P1 + P4;
}

// @ts-ignore: decorator
@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * P1 + P4;
}

// @ts-ignore: decorator
@inline
function converge(v1: u64, v2: u64, v3: u64, v4: u64): u64 {
  let hash = rotl<u64>(v1, 1) + rotl<u64>(v2, 7) + rotl<u64>(v3, 12) + rotl<u64>(v4, 18);
  hash = merge(hash, v1);
  hash = merge(hash, v2);
  hash = merge(hash, v3);
  return merge(hash, v4);
}

// @ts-ignore: decorator
@inline
export function finish(value: u64): u64 {
  let hash = value;
  hash = (hash ^ (hash >> 33)) * P2;
  hash = (hash ^ (hash >> 29)) * P3;
  return hash ^ (hash >> 32);
}

// @ts-ignore: decorator
@inline
export function hashHeader(at: usize): u64 {
  let hash = converge(
    round(P1 + P2, load<u64>(at)),
    round(P2, load<u64>(at, 8)),
    round(0, load<u64>(at, 16)),
    round(0 - P1, load<u64>(at, 24)),
  );
  hash = mixWord(hash + 56, load<u64>(at, 32));
  hash = mixWord(hash, load<u64>(at, 40));
  return finish(mixWord(hash, load<u64>(at, 48)));
}

/** The part that is alike in both: stripes of 32 bytes, then words of 8; `at` of what is left is at + (length & ~7). */
// @ts-ignore: decorator
@inline
function body(at: usize, length: u32): u64 {
  const words = at + (length & ~7);
  let hash: u64;
  let position = at;
  if (length >= 32) {
    let v1 = P1 + P2;
    let v2 = P2;
    let v3: u64 = 0;
    let v4: u64 = 0 - P1;
    const stripes = at + (length & ~31);
    do {
      v1 = round(v1, load<u64>(position));
      v2 = round(v2, load<u64>(position, 8));
      v3 = round(v3, load<u64>(position, 16));
      v4 = round(v4, load<u64>(position, 24));
      position += 32;
    } while (position < stripes);
    hash = converge(v1, v2, v3, v4) + length;
  } else {
    hash = P5 + length;
  }
  while (position < words) {
    hash = mixWord(hash, load<u64>(position));
    position += 8;
  }
  return hash;
}

/** `length` is a multiple of 8. */
export function hashWords(at: usize, length: u32): u64 {
  return finish(body(at, length));
}

export function hash64(at: usize, length: u32): u64 {
  let hash = body(at, length);
  let position = at + (length & ~7);
  const end = at + length;
  if (position + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(position) * P1), 23) * P2 + P3;
    position += 4;
  }
  for (; position < end; position++) hash = rotl<u64>(hash ^ (<u64>load<u8>(position) * P5), 11) * P1;
  return finish(hash);
}
