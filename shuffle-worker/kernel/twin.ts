/**
 * The block kernel in plain TypeScript: the same interface over the same memory, written to be read. It is the
 * reference the property tests hold the compiled kernel against, and nothing else uses it; per block it is ten times dearer.
 */
import { maxBlockBytes, protocolVersion } from '#manager/protocol/ids.ts';
import { blockBytes, blockHeaderBytes, blockKinds, blockMagic, manifestPartition, noAttempt, readHeader } from '../protocol/block.ts';
import { xxh64 } from '../protocol/xxh64.ts';
import { granuleTargetBytes, noLocation, readGranule, writeGranule } from '../store/region.ts';
import { accountFlags, entryBytes, type Kernel, type KernelMemory, type WalkCode, type Walked, walkCodes } from './kernel.ts';

interface Identity {
  readonly partition: number;
  readonly map: number;
  readonly attempt: number;
  readonly section: number;
  readonly sequence: number;
}
interface Entry extends Identity {
  readonly address: number;
  readonly length: number;
  readonly kind: number;
  readonly slot: number;
}

/** A kernel with the same answers as createKernel's. */
export function createTwin(memory: KernelMemory): Kernel {
  const bytes = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): bigint => view.getBigUint64(at, true);
  const addTo32 = (at: number, more: number): void => view.setUint32(at, u32(at) + more, true);
  const addTo64 = (at: number, more: bigint): void => view.setBigUint64(at, u64(at) + more, true);

  const entryAt = (at: number): Entry => ({
    partition: u32(at),
    map: u32(at + 4),
    attempt: u32(at + 8),
    section: u32(at + 12),
    sequence: u32(at + 16),
    address: u32(at + 20),
    length: u32(at + 24),
    kind: bytes[at + 28]!,
    slot: u32(at + 28) >>> 8,
  });
  const listed = (entries: number, list: number, place: number): Entry => entryAt(entries + entryBytes * u32(list + 4 * place));

  function judge(account: number, id: Identity): WalkCode | 'drop' {
    const flags = u32(account + 28);
    const otherwise = (code: WalkCode): WalkCode | 'drop' => (flags & accountFlags.dropOthers ? 'drop' : code);
    const [mapFrom, mapTo, partitionFrom, partitionTo] = [u32(account + 8), u32(account + 12), u32(account + 16), u32(account + 20)];
    if (id.map < mapFrom || id.map >= mapTo) return otherwise(walkCodes.map);
    if (id.partition < partitionFrom || id.partition >= partitionTo) return otherwise(walkCodes.partition);
    const winner = u32(u32(account + 32) + 4 * (id.map - mapFrom));
    if (winner === noAttempt || winner !== id.attempt) return otherwise(walkCodes.attempt);
    if (id.section !== u32(account + 24)) return otherwise(walkCodes.section);
    const count = u32(account + 36) + 4 * ((id.partition - partitionFrom) * (mapTo - mapFrom) + id.map - mapFrom);
    const next = u32(count);
    if (id.sequence < next && flags & accountFlags.dropResent) return 'drop';
    if (id.sequence !== next) return walkCodes.sequence;
    addTo32(count, 1);
    return walkCodes.ok;
  }

  function judgeManifest(account: number, id: Identity): WalkCode | 'drop' {
    const flags = u32(account + 28);
    if (flags & accountFlags.dropOthers) return 'drop';
    if (flags & accountFlags.noManifest) return walkCodes.manifest;
    const mapFrom = u32(account + 8);
    if (id.map < mapFrom || id.map >= u32(account + 12)) return walkCodes.map;
    if (id.partition !== u32(account + 16)) return walkCodes.partition;
    const winner = u32(u32(account + 32) + 4 * (id.map - mapFrom));
    if (winner === noAttempt || winner !== id.attempt) return walkCodes.attempt;
    if (id.section !== u32(account + 24)) return walkCodes.section;
    if (id.sequence !== 0) return walkCodes.sequence;
    return u32(account + 44) > 0 ? walkCodes.manifest : walkCodes.ok;
  }

  function walk(address: number, length: number, account: number, entries: number, entry: number, capacity: number): Walked {
    const end = address + length;
    const headersOnly = (u32(account + 28) & accountFlags.headersOnly) !== 0;
    let taken = 0;
    let at = address;
    const ended = (code: WalkCode): Walked => ({ code, entries: taken, position: at - address });
    while (at < end) {
      if (taken === capacity) return ended(walkCodes.full);
      if (end - at < blockHeaderBytes) return ended(walkCodes.truncated);
      if (xxh64(bytes, at, at + 56) !== u64(at + 56)) return ended(walkCodes.headerHash);
      const header = readHeader(view, at);
      const ours = view.getUint16(at, true) === blockMagic && bytes[at + 2] === protocolVersion;
      if (!ours || header.kind > 2 || header.codec > 2 || header.flags > 1 || header.payloadLength > maxBlockBytes) return ended(walkCodes.format);
      const stored = blockBytes(header.payloadLength);
      if (end - at < stored) return ended(walkCodes.truncated);
      if (!headersOnly) {
        if (xxh64(bytes, at + blockHeaderBytes, at + stored) !== u64(at + 48)) return ended(walkCodes.payloadHash);
        const padding = bytes.subarray(at + blockHeaderBytes + header.payloadLength, at + stored);
        if (padding.some((byte) => byte !== 0)) return ended(walkCodes.format);
      }
      if (header.shuffle !== u64(account)) return ended(walkCodes.shuffle);
      const manifest = header.kind === blockKinds.manifest;
      const verdict = manifest ? judgeManifest(account, header) : u32(account + 44) > 0 ? walkCodes.manifest : judge(account, header);
      if (verdict === 'drop') addTo32(account + 76, 1);
      else if (verdict !== walkCodes.ok) return ended(verdict);
      else {
        if (manifest) addTo32(account + 44, 1);
        else {
          addTo32(account + 40, 1);
          addTo64(account + 48, BigInt(header.records));
          addTo64(account + 56, BigInt(header.payloadLength));
          addTo64(account + 64, u64(at + 56));
        }
        const to = entries + entryBytes * (entry + taken++);
        const words = [
          manifest ? manifestPartition : header.partition,
          header.map,
          header.attempt,
          header.section,
          header.sequence,
          at,
          stored,
          header.kind + 256 * u32(account + 72),
        ];
        for (const [i, word] of words.entries()) view.setUint32(to + 4 * i, word, true);
      }
      at += stored;
    }
    return ended(walkCodes.ok);
  }

  function select(entries: number, list: number, from: number, count: number, account: number, into: number, limitBytes: number): Walked {
    let taken = 0;
    let chosen = 0;
    let place = from;
    const ended = (code: WalkCode): Walked => ({ code, entries: taken, position: place });
    for (; place < count; place++) {
      const entry = listed(entries, list, place);
      if (chosen + entry.length > limitBytes) return ended(walkCodes.full);
      const manifest = entry.kind === blockKinds.manifest;
      const dropOthers = u32(account + 28) & accountFlags.dropOthers;
      const verdict = manifest ? (dropOthers ? 'drop' : walkCodes.manifest) : judge(account, entry);
      if (verdict === 'drop') addTo32(account + 76, 1);
      else if (verdict !== walkCodes.ok) return ended(verdict);
      else {
        addTo32(account + 40, 1);
        view.setUint32(into + 4 * taken++, u32(list + 4 * place), true);
        chosen += entry.length;
      }
    }
    return ended(walkCodes.ok);
  }

  function sort(entries: number, list: number, _scratch: number, count: number, order: number): void {
    const last = (entry: Entry): number => (entry.partition === manifestPartition ? 1 : 0);
    const keys = (entry: Entry): number[] => {
      const { partition, map, attempt, section, sequence } = entry;
      if (order === 0) return [last(entry), partition, map, attempt, section, sequence];
      return order === 1 ? [last(entry), map, attempt, partition, section, sequence] : [last(entry), partition];
    };
    const numbers = Array.from({ length: count }, (_, place) => ({ number: u32(list + 4 * place), keys: keys(listed(entries, list, place)) }));
    numbers.sort((a, b) => {
      for (const [i, key] of a.keys.entries()) if (key !== b.keys[i]) return key - b.keys[i]!;
      return 0;
    });
    for (const [place, { number }] of numbers.entries()) view.setUint32(list + 4 * place, number, true);
  }

  return {
    memory,
    hash: (address, length) => xxh64(bytes, address, address + length),
    stamp: (address, length) => {
      let blocks = 0;
      for (let at = address; at < address + length; blocks++) {
        const payload = u32(at + 8);
        const end = at + blockBytes(payload);
        if (payload > maxBlockBytes || end > address + length) throw new RangeError('stamp was given something else than whole blocks');
        bytes.fill(0, at + blockHeaderBytes + payload, end);
        view.setBigUint64(at + 48, xxh64(bytes, at + blockHeaderBytes, end), true);
        view.setBigUint64(at + 56, xxh64(bytes, at, at + 56), true);
        at = end;
      }
      return blocks;
    },
    walk,
    select,
    sort,
    gather: (entries, list, from, count, skip, into, limitBytes) => {
      let place = from;
      let passed = skip;
      let written = 0;
      while (place < count && written < limitBytes) {
        const { address, length } = listed(entries, list, place);
        const take = Math.min(length - passed, limitBytes - written);
        bytes.copyWithin(into + written, address + passed, address + passed + take);
        written += take;
        passed += take;
        if (passed < length) break;
        passed = 0;
        place++;
      }
      return { bytes: written, place, skip: passed };
    },
    granules: (entries, list, count, offset, into, capacity) => {
      let found = 0;
      let position = offset;
      for (let place = 0; place < count; place++) {
        const entry = listed(entries, list, place);
        const manifest = entry.partition === manifestPartition;
        const at = into + 32 * (found - 1);
        const open = found > 0 ? readGranule(view, at) : undefined;
        if (open && !manifest && open.partition === entry.partition && open.length + entry.length <= granuleTargetBytes) {
          const firstMap = Math.min(open.firstMap, entry.map);
          const lastMap = Math.max(open.lastMap, entry.map);
          writeGranule(view, at, { ...open, firstMap, lastMap, blocks: open.blocks + 1, length: open.length + entry.length });
        } else {
          if (found === capacity) return -1;
          const { partition, map, length } = entry;
          const location = manifest ? entry.slot : noLocation;
          writeGranule(view, into + 32 * found++, { partition, firstMap: map, lastMap: map, blocks: 1, offset: position, length, location });
        }
        position += entry.length;
      }
      return found;
    },
  };
}
