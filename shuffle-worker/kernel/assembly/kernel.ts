// The block kernel. What each export does, and where everything lies in memory, is said in ../kernel.ts; ../twin.ts
// says the same in plain TypeScript and a test compares the two. No runtime, no allocation: loads and stores only.

import { hash64, hashHeader, hashWords } from './xxh64';

const OK: u32 = 0;
const TRUNCATED: u32 = 1;
const HEADER_HASH: u32 = 2;
const PAYLOAD_HASH: u32 = 3;
const FORMAT: u32 = 4;
const SHUFFLE: u32 = 5;
const MAP: u32 = 6;
const PARTITION: u32 = 7;
const ATTEMPT: u32 = 8;
const SECTION: u32 = 9;
const SEQUENCE: u32 = 10;
const MANIFEST: u32 = 11;
const FULL: u32 = 12;
/** Not a code that leaves: the block is passed over. */
const DROP: u32 = 13;

const DROP_RESENT: u32 = 1;
const DROP_OTHERS: u32 = 2;
const HEADERS_ONLY: u32 = 4;
const NO_MANIFEST: u32 = 8;

const KIND_MANIFEST: u32 = 2;
const MANIFEST_PARTITION: u32 = 0xfffffffe;
const NONE: u32 = 0xffffffff;
const MAX_PAYLOAD: u32 = 16 << 20;
const GRANULE: u32 = 65536;

/** Two u32 results at 0; the histogram of a sorting pass behind them. */
const RESULTS: usize = 0;
const HISTOGRAM: usize = 256;
const DIGIT: u32 = 11;
const DIGITS: u32 = 1 << DIGIT;

export function hash(address: usize, length: u32): u64 {
  return hash64(address, length);
}

export function stamp(address: usize, length: u32): i32 {
  const end = address + length;
  let at = address;
  let blocks = 0;
  while (at < end) {
    if (end - at < 64) return -1;
    const payload = load<u32>(at, 8);
    if (payload > MAX_PAYLOAD) return -1;
    const padded = (payload + 7) & ~7;
    if (end - at - 64 < padded) return -1;
    for (let i = payload; i < padded; i++) store<u8>(at + 64 + i, 0);
    store<u64>(at, hashWords(at + 64, padded), 48);
    store<u64>(at, hashHeader(at), 56);
    at += 64 + padded;
    blocks++;
  }
  return blocks;
}

/** Is a data block wanted, and is it the next of its (partition, map)? Takes it into the counts if so. */
// @ts-ignore: decorator
@inline
function judge(account: usize, flags: u32, partition: u32, map: u32, attempt: u32, section: u32, sequence: u32): u32 {
  const others = flags & DROP_OTHERS;
  const mapFrom = load<u32>(account, 8);
  const maps = load<u32>(account, 12) - mapFrom;
  const mapIndex = map - mapFrom;
  if (mapIndex >= maps) return others ? DROP : MAP;
  const partitionFrom = load<u32>(account, 16);
  const partitionIndex = partition - partitionFrom;
  if (partitionIndex >= load<u32>(account, 20) - partitionFrom) return others ? DROP : PARTITION;
  const winner = load<u32>(load<u32>(account, 32) + (mapIndex << 2));
  if (attempt != winner || winner == NONE) return others ? DROP : ATTEMPT;
  if (section != load<u32>(account, 24)) return others ? DROP : SECTION;
  const count = load<u32>(account, 36) + ((partitionIndex * maps + mapIndex) << 2);
  const next = load<u32>(count);
  if (sequence != next) return sequence < next && flags & DROP_RESENT ? DROP : SEQUENCE;
  store<u32>(count, next + 1);
  return OK;
}

/** Is a manifest due, and is it this stream's? */
function judgeManifest(at: usize, account: usize, flags: u32): u32 {
  if (flags & DROP_OTHERS) return DROP;
  if (flags & NO_MANIFEST) return MANIFEST;
  const mapIndex = load<u32>(at, 28) - load<u32>(account, 8);
  if (mapIndex >= load<u32>(account, 12) - load<u32>(account, 8)) return MAP;
  if (load<u32>(at, 24) != load<u32>(account, 16)) return PARTITION;
  const winner = load<u32>(load<u32>(account, 32) + (mapIndex << 2));
  if (load<u32>(at, 32) != winner || winner == NONE) return ATTEMPT;
  if (load<u32>(at, 36) != load<u32>(account, 24)) return SECTION;
  if (load<u32>(at, 40) != 0) return SEQUENCE;
  if (load<u32>(account, 44) != 0) return MANIFEST;
  return OK;
}

/** Magic 0x4C53, version 1, kind <= 2, codec <= 2, flags <= 1; the tag is free. */
// @ts-ignore: decorator
@inline
function known(at: usize): bool {
  return load<u32>(at) - 0x00014c53 <= 0x02000000 && (load<u32>(at) & 0x00ffffff) == 0x00014c53 && load<u8>(at, 4) <= 2 && load<u8>(at, 5) <= 1;
}

/** The bytes between payload and padded are 0. */
// @ts-ignore: decorator
@inline
function filledWithZeros(at: usize, payload: u32): bool {
  const over = payload & 7;
  return over == 0 || load<u64>(at + 64 + (payload & ~7)) >> (over << 3) == 0;
}

export function walk(address: usize, length: u32, account: usize, entries: usize, entry: u32, capacity: u32): u32 {
  const end = address + length;
  const flags = load<u32>(account, 28);
  const shuffle = load<u64>(account);
  const slot = load<u32>(account, 72) << 8;
  const first = entries + (<usize>entry << 5);
  const last = first + (<usize>capacity << 5);
  let blocks: u32 = 0;
  let dropped: u32 = 0;
  let records: u64 = 0;
  let payloadBytes: u64 = 0;
  let sum: u64 = 0;
  let at = address;
  let to = first;
  let code = OK;
  while (at < end) {
    if (to == last) {
      code = FULL;
      break;
    }
    if (end - at < 64) {
      code = TRUNCATED;
      break;
    }
    const headerHash = load<u64>(at, 56);
    if (hashHeader(at) != headerHash) {
      code = HEADER_HASH;
      break;
    }
    const payload = load<u32>(at, 8);
    if (!known(at) || payload > MAX_PAYLOAD) {
      code = FORMAT;
      break;
    }
    const padded = (payload + 7) & ~7;
    if (end - at - 64 < padded) {
      code = TRUNCATED;
      break;
    }
    if (!(flags & HEADERS_ONLY)) {
      if (hashWords(at + 64, padded) != load<u64>(at, 48)) {
        code = PAYLOAD_HASH;
        break;
      }
      if (!filledWithZeros(at, payload)) {
        code = FORMAT;
        break;
      }
    }
    if (load<u64>(at, 16) != shuffle) {
      code = SHUFFLE;
      break;
    }
    const kind = <u32>load<u8>(at, 3);
    let partition = load<u32>(at, 24);
    if (kind == KIND_MANIFEST) {
      code = judgeManifest(at, account, flags);
      partition = MANIFEST_PARTITION;
    } else if (load<u32>(account, 44) != 0) {
      code = MANIFEST;
    } else {
      code = judge(account, flags, partition, load<u32>(at, 28), load<u32>(at, 32), load<u32>(at, 36), load<u32>(at, 40));
    }
    if (code == OK) {
      if (kind == KIND_MANIFEST) {
        store<u32>(account, 1, 44);
      } else {
        blocks++;
        records += load<u32>(at, 44);
        payloadBytes += payload;
        sum += headerHash;
      }
      store<u32>(to, partition);
      store<u32>(to, load<u32>(at, 28), 4);
      store<u64>(to, load<u64>(at, 32), 8);
      store<u32>(to, load<u32>(at, 40), 16);
      store<u32>(to, at, 20);
      store<u32>(to, 64 + padded, 24);
      store<u32>(to, kind | slot, 28);
      to += 32;
    } else if (code == DROP) {
      dropped++;
      code = OK;
    } else {
      break;
    }
    at += 64 + padded;
  }
  store<u32>(account, load<u32>(account, 40) + blocks, 40);
  store<u64>(account, load<u64>(account, 48) + records, 48);
  store<u64>(account, load<u64>(account, 56) + payloadBytes, 56);
  store<u64>(account, load<u64>(account, 64) + sum, 64);
  store<u32>(account, load<u32>(account, 76) + dropped, 76);
  store<u32>(RESULTS, (to - first) >> 5);
  store<u32>(RESULTS, at - address, 4);
  return code;
}

export function select(entries: usize, list: usize, place: u32, count: u32, account: usize, into: usize, limitBytes: u32): u32 {
  const flags = load<u32>(account, 28);
  let bytes: u32 = 0;
  let blocks: u32 = 0;
  let dropped: u32 = 0;
  let at = place;
  let code = OK;
  for (; at < count; at++) {
    const number = load<u32>(list + (<usize>at << 2));
    const entry = entries + (<usize>number << 5);
    const length = load<u32>(entry, 24);
    if (length > limitBytes - bytes) {
      code = FULL;
      break;
    }
    if ((load<u32>(entry, 28) & 0xff) == KIND_MANIFEST) {
      code = flags & DROP_OTHERS ? DROP : MANIFEST;
    } else {
      code = judge(account, flags, load<u32>(entry), load<u32>(entry, 4), load<u32>(entry, 8), load<u32>(entry, 12), load<u32>(entry, 16));
    }
    if (code == OK) {
      store<u32>(into + (<usize>blocks << 2), number);
      blocks++;
      bytes += length;
    } else if (code == DROP) {
      dropped++;
      code = OK;
    } else {
      break;
    }
  }
  store<u32>(account, load<u32>(account, 40) + blocks, 40);
  store<u32>(account, load<u32>(account, 76) + dropped, 76);
  store<u32>(RESULTS, blocks);
  store<u32>(RESULTS, at, 4);
  return code;
}

/** One stable counting pass over a digit: from -> to. */
function pass(entries: usize, from: usize, to: usize, count: u32, field: u32, shift: u32): void {
  memory.fill(HISTOGRAM, 0, DIGITS << 2);
  const end = from + (<usize>count << 2);
  const base = entries + field;
  for (let at = from; at < end; at += 4) {
    const digit = (load<u32>(base + (<usize>load<u32>(at) << 5)) >> shift) & (DIGITS - 1);
    const bin = HISTOGRAM + (digit << 2);
    store<u32>(bin, load<u32>(bin) + 1);
  }
  let place = to;
  for (let bin = HISTOGRAM; bin < HISTOGRAM + (DIGITS << 2); bin += 4) {
    const here = load<u32>(bin);
    store<u32>(bin, place);
    place += here << 2;
  }
  for (let at = from; at < end; at += 4) {
    const number = load<u32>(at);
    const digit = (load<u32>(base + (<usize>number << 5)) >> shift) & (DIGITS - 1);
    const bin = HISTOGRAM + (digit << 2);
    const target = load<u32>(bin);
    store<u32>(bin, target + 4);
    store<u32>(target, number);
  }
}

/** Passes over those digits of a field that are not alike everywhere. Answers where the list is now: `from` or `other`. */
function passes(entries: usize, from: usize, other: usize, count: u32, field: u32, varying: u32): usize {
  let list = from;
  let free = other;
  for (let shift: u32 = 0; shift < 32; shift += DIGIT) {
    if (!((varying >> shift) & (DIGITS - 1))) continue;
    pass(entries, list, free, count, field, shift);
    const swap = list;
    list = free;
    free = swap;
  }
  return list;
}

/** The bits in which a field differs anywhere. */
function varyingBits(entries: usize, list: usize, count: u32, field: u32): u32 {
  const first = load<u32>(entries + (<usize>load<u32>(list) << 5) + field);
  let varying: u32 = 0;
  const end = list + (<usize>count << 2);
  for (let at = list; at < end; at += 4) varying |= load<u32>(entries + (<usize>load<u32>(at) << 5) + field) ^ first;
  return varying;
}

/** Are blocks of one partition and map in order of attempt, section and sequence? (Order 1 has seen to the attempts.) */
function minorsInOrder(entries: usize, list: usize, count: u32, order: u32): bool {
  let before = entries + (<usize>load<u32>(list) << 5);
  for (let i: u32 = 1; i < count; i++) {
    const entry = entries + (<usize>load<u32>(list + (<usize>i << 2)) << 5);
    if (load<u64>(entry) == load<u64>(before)) {
      const attempt = load<u32>(entry, 8);
      const attemptBefore = load<u32>(before, 8);
      if (order == 0 && attempt < attemptBefore) return false;
      if (attempt == attemptBefore) {
        const section = load<u32>(entry, 12);
        const sectionBefore = load<u32>(before, 12);
        if (section < sectionBefore || (section == sectionBefore && load<u32>(entry, 16) < load<u32>(before, 16))) return false;
      }
    }
    before = entry;
  }
  return true;
}

function sortAlike(entries: usize, list: usize, scratch: usize, count: u32, order: u32): void {
  if (count < 2) return;
  const partitions = varyingBits(entries, list, count, 0);
  const maps = order == 2 ? 0 : varyingBits(entries, list, count, 4);
  const attempts = order == 1 ? varyingBits(entries, list, count, 8) : 0;
  let at = list;
  // What arrives is in order of sequence already: sort by the rest, look, and only if that was wrong by everything.
  for (let whole = 0; whole < 2; whole++) {
    if (whole) {
      at = passes(entries, at, at == list ? scratch : list, count, 16, varyingBits(entries, at, count, 16));
      at = passes(entries, at, at == list ? scratch : list, count, 12, varyingBits(entries, at, count, 12));
      if (order == 0) at = passes(entries, at, at == list ? scratch : list, count, 8, varyingBits(entries, at, count, 8));
    }
    if (order == 0) at = passes(entries, at, at == list ? scratch : list, count, 4, maps);
    at = passes(entries, at, at == list ? scratch : list, count, 0, partitions);
    if (order == 1) {
      at = passes(entries, at, at == list ? scratch : list, count, 8, attempts);
      at = passes(entries, at, at == list ? scratch : list, count, 4, maps);
    }
    if (order == 2 || minorsInOrder(entries, at, count, order)) break;
  }
  if (at != list) memory.copy(list, at, <usize>count << 2);
}

export function sort(entries: usize, list: usize, scratch: usize, count: u32, order: u32): void {
  // Manifests last: data to the front as they come, manifests by way of the scratch list.
  let data: u32 = 0;
  let manifests: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const number = load<u32>(list + (<usize>i << 2));
    if (load<u32>(entries + (<usize>number << 5)) == MANIFEST_PARTITION) {
      store<u32>(scratch + (<usize>manifests << 2), number);
      manifests++;
    } else {
      store<u32>(list + (<usize>data << 2), number);
      data++;
    }
  }
  const behind = list + (<usize>data << 2);
  memory.copy(behind, scratch, <usize>manifests << 2);
  sortAlike(entries, list, scratch, data, order);
  sortAlike(entries, behind, scratch, manifests, order);
}

export function gather(entries: usize, list: usize, place: u32, count: u32, skip: u32, into: usize, limitBytes: u32): u32 {
  let at = place;
  let passed = skip;
  let bytes: u32 = 0;
  while (at < count && bytes < limitBytes) {
    const entry = entries + (<usize>load<u32>(list + (<usize>at << 2)) << 5);
    const length = load<u32>(entry, 24) - passed;
    const from = load<u32>(entry, 20) + passed;
    if (length > limitBytes - bytes) {
      memory.copy(into + bytes, from, limitBytes - bytes);
      passed += limitBytes - bytes;
      bytes = limitBytes;
      break;
    }
    if (length <= 256) {
      const to = into + bytes;
      for (let i: u32 = 0; i < length; i += 8) store<u64>(to + i, load<u64>(from + i));
    } else {
      memory.copy(into + bytes, from, length);
    }
    bytes += length;
    passed = 0;
    at++;
  }
  store<u32>(RESULTS, at);
  store<u32>(RESULTS, passed, 4);
  return bytes;
}

export function granules(entries: usize, list: usize, count: u32, offset: u32, into: usize, capacity: u32): i32 {
  let to = into - 32;
  let found: u32 = 0;
  let position = offset;
  let length: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const entry = entries + (<usize>load<u32>(list + (<usize>i << 2)) << 5);
    const partition = load<u32>(entry);
    const map = load<u32>(entry, 4);
    const bytes = load<u32>(entry, 24);
    const manifest = partition == MANIFEST_PARTITION;
    if (found == 0 || manifest || load<u32>(to) != partition || length + bytes > GRANULE) {
      if (found == capacity) return -1;
      found++;
      to += 32;
      length = 0;
      store<u32>(to, partition);
      store<u32>(to, map, 4);
      store<u32>(to, map, 8);
      store<u32>(to, 0, 12);
      store<u64>(to, position, 16);
      store<u32>(to, manifest ? load<u32>(entry, 28) >> 8 : NONE, 28);
    }
    if (map < load<u32>(to, 4)) store<u32>(to, map, 4);
    if (map > load<u32>(to, 8)) store<u32>(to, map, 8);
    store<u32>(to, load<u32>(to, 12) + 1, 12);
    length += bytes;
    store<u32>(to, length, 24);
    position += bytes;
  }
  return found;
}
