/**
 * The mutants: one wrong change each, as somebody could write it. The list of docs/EXACTNESS.md, then those of our own, where the
 * product is easiest to break unseen. Where a name is from another house, a comment says what is nearest to it here. Used by
 * mutants.ts, which applies them to a copy of the tree.
 */
import type { FaultKind } from './faults.ts';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Only these faults are played; absent: all. */
  readonly faults?: readonly FaultKind[];
  /** It dies within a few seeds: npm test plays it. */
  readonly isQuick?: true;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'no incarnation check',
    file: 'shuffle-worker/worker.ts',
    find: 'if (hello.incarnation !== this.incarnation)',
    replace: "if (hello.incarnation === '')",
  },
  {
    // The job's number is compared, that of the run is not.
    name: 'no run check',
    file: 'shuffle-worker/kernel/assembly/kernel.ts',
    find: 'if (load<u64>(at, 16) != shuffle) {',
    replace: 'if (load<u64>(at, 16) >> 32 != shuffle >> 32) {',
    faults: ['stalePage'],
  },
  {
    // A location keeps its number when its worker comes back elsewhere; what tells the two apart is the version of the layout.
    name: 'location version reused',
    file: 'shuffle-manager/ledger.ts',
    find: '    if (changed) run.version++;\n',
    replace: '',
    faults: ['kill', 'bounce'],
  },
  {
    name: 'retried push not counted',
    file: 'shuffle-worker/store/store.ts',
    find: '      known.orphanedAt = null;',
    replace: '      known.orphanedAt = null;\n      known.accepted = 0;',
    faults: ['cut', 'silence'],
  },
  {
    // What is on its way is all that a retry queue is here.
    name: 'commit while the retry queue is not empty',
    file: 'batch-runtime/shuffle/remote.ts',
    find: '    await this.#toAll(column, (stream) => stream.finish(manifest));\n    await sent;',
    replace: '    this.#toAll(column, (stream) => stream.finish(manifest)).catch(() => undefined);\n    sent.catch(() => undefined);',
    faults: ['cut', 'kill', 'delay'],
  },
  {
    // A read ends when the first of its streams has ended.
    name: 'iterator not drained',
    file: 'shuffle-worker/verified-read.ts',
    find: '      } else source.reader.close();',
    replace: '      } else return;',
  },
  {
    name: 'empty on bad hash',
    file: 'shuffle-worker/verified-read.ts',
    find: '      this.#fault = this.#faultOf(code);',
    replace: "      if (verdictOf(code) === 'corrupt') this.#state = 'ended';\n      else this.#fault = this.#faultOf(code);",
    faults: ['flip', 'rot'],
  },
  {
    name: 'unknown partition answers ok',
    file: 'shuffle-manager/protocol/layout.ts',
    find: 'return exceptions.get(keyOf(map, location)) ?? rowOf(map);',
    replace: 'return Math.max(exceptions.get(keyOf(map, location)) ?? -1, rowOf(map));',
    faults: ['rot', 'gone', 'kill'],
  },
  {
    name: 'missing file answers zero bytes',
    file: 'shuffle-worker/read-stream.ts',
    find: '    if (lost.size === 0) return;',
    replace: "    if (this.#fault?.code === 'MISSING') this.#expected.fill(0);\n    if (lost.size === 0 || this.#fault?.code === 'MISSING') return;",
    faults: ['gone'],
  },
  {
    // The buffer is that of a flush.
    name: 'buffer recycled before the write callback',
    file: 'shuffle-worker/store/flush.ts',
    find: '      await under[turn];\n',
    replace: '',
  },
  {
    name: 'shared index scratch buffer',
    file: 'shuffle-worker/store/flush.ts',
    find: 'index: new Uint32Array(tail.buffer.slice(0, indexBytes)) };',
    replace: 'index: memory.words.subarray(granules / 4, (granules + indexBytes) / 4) };',
    faults: ['rival', 'slowDisk', 'deafReader'],
    isQuick: true,
  },
  {
    // What comes to a worker is hashed only when somebody reads it.
    name: 'no hash at enqueue',
    file: 'shuffle-worker/store/store.ts',
    find: '      flags: 0,',
    replace: '      flags: 4,',
    faults: ['flip'],
    isQuick: true,
  },
  {
    // A run is the folder of its data: workers hear of it before it is in the journal.
    name: 'registered after mkdir',
    file: 'shuffle-manager/manager.ts',
    find: "if (!(name === 'commit' && ",
    replace: "if (name !== 'resolveShuffle' && !(name === 'commit' && ",
    faults: ['killAllocating', 'managerKill', 'tear', 'managerPower'],
  },
  {
    name: 'seconds for milliseconds',
    file: 'shuffle-manager/manager.ts',
    find: 'this.#leaseTime.now() - heardAt > this.#options.leaseMs;',
    replace: 'this.#leaseTime.now() - heardAt > this.#options.leaseMs / 1000;',
    faults: ['slowCall', 'lostCall'],
    isQuick: true,
  },
  {
    name: '`||` for `&&`',
    file: 'shuffle-manager/protocol/layout.ts',
    find: 'location.mapFrom <= map && map < location.mapTo',
    replace: 'location.mapFrom <= map || map < location.mapTo',
  },
  {
    name: 'region ordinal gap ignored',
    file: 'shuffle-worker/store/recover.ts',
    find: 'if (one.header.ordinal === whole.length)',
    replace: 'if (one.header.ordinal >= whole.length)',
    faults: ['power', 'torn', 'kill'],
  },
  {
    name: 'segment use count ignored',
    file: 'shuffle-worker/store/region.ts',
    find: 'if (header.use !== expect.use)',
    replace: 'if (header.use > expect.use)',
    faults: ['kill', 'power'],
  },
  {
    name: 'counts rebuilt from found blocks',
    file: 'shuffle-worker/read-stream.ts',
    find: 'if (words[at + i] !== this.#expected[from + i]) lost.add(window.mapFrom + i);',
    replace: 'this.#expected[from + i] = words[at + i]!;',
    faults: ['rot', 'gone', 'power', 'torn'],
  },
  {
    name: 'superseded attempt fails its task',
    file: 'batch-runtime/shuffle/remote.ts',
    find: '      return (await retry(options, () => manager.commit(commit))).won;',
    replace: `      const { won } = await retry(options, () => manager.commit(commit));
      if (!won) throw new SluiceError('FENCED', { what: 'attempt' });
      return won;`,
    faults: ['rival'],
    isQuick: true,
  },
  {
    name: 'worker serves an old ledger version',
    file: 'shuffle-worker/layouts.ts',
    find: '    for (let tries = 0; tries < 2; tries++) {',
    replace: '    if (this.#known.get(shuffle)?.view) version = 0;\n    for (let tries = 0; tries < 2; tries++) {',
    faults: ['kill', 'delay', 'rival'],
    isQuick: true,
  },
  {
    name: 'manifest acknowledged before its level',
    file: 'shuffle-worker/write-stream.ts',
    find: 'store.whenAt(this.#stored, levels[this.#level]!,',
    replace: 'store.whenAt(this.#stored, levels[0]!,',
    faults: ['kill', 'power'],
  },
  {
    name: 'grant issued beyond the arena',
    file: 'shuffle-worker/credits.ts',
    find: 'return arena.usedBytes + promised <= this.#limit &&',
    replace: 'return promised <= this.#limit &&',
    faults: ['slowDisk', 'sluggish', 'hang'],
  },
  {
    name: 'padding left out of the hash',
    file: 'shuffle-worker/kernel/assembly/kernel.ts',
    find: 'store<u64>(at, hashWords(at + 64, padded), 48);',
    replace: 'store<u64>(at, hash64(at + 64, payload), 48);',
  },
  {
    // Streams of one attempt to two locations of a worker are taken for one.
    name: 'attempt moved between locations',
    file: 'shuffle-worker/store/store.ts',
    find: 'const streamKey = (t: Incoming): string =>',
    replace: "const streamKey = (t: Incoming): string => [t.map, t.attempt, t.section].join('.') ||",
  },
  {
    name: 'resume skips one block too many',
    file: 'shuffle-worker/connection.ts',
    find: 'for (let block = next.first; block < accepted; block++)',
    replace: 'for (let block = next.first; block <= accepted; block++)',
    faults: ['cut', 'flip'],
  },
  {
    name: 'commit accepted for an old incarnation',
    file: 'shuffle-manager/cells.ts',
    find: 'if (replica < 0) throw',
    replace: 'if (replica < -1) throw',
    faults: ['killAcked', 'bounce', 'kill'],
  },
  {
    name: 'repair commit overwrites an intact cell',
    file: 'shuffle-manager/cells.ts',
    find: 'if (isCommitted(run.places[index] as number) || begun) continue;',
    replace: 'if (begun) continue;',
    faults: ['rival', 'lateCommit'],
    isQuick: true,
  },
  {
    name: 'skip vector off by one',
    file: 'shuffle-worker/read-stream.ts',
    find: '      this.#skip[index] = count;',
    replace: '      this.#skip[index] = count + 1;',
    faults: ['cut', 'flip', 'silence'],
  },
  // Of our own.
  {
    name: 'a read that begins again gives its blocks again',
    file: 'batch-runtime/shuffle/remote.ts',
    find: 'if (skip !== null && skip[pair]! > 0) skip[pair]!--;',
    replace: 'if (skip !== null && skip[pair]! > 0 && block.payload.length === 0) skip[pair]!--;',
    faults: ['kill', 'killFetching', 'bounce', 'partition'],
  },
  {
    name: 'a commit names a replica that has failed',
    file: 'batch-runtime/shuffle/remote.ts',
    find: '        streams.delete(one);\n',
    replace: '',
    faults: ['killReplica', 'eio', 'sync'],
  },
  {
    name: 'one replica lost, the cell vacant',
    file: 'shuffle-manager/cells.ts',
    find: '    if (left !== 0) continue;\n',
    replace: '',
    faults: ['killReplica'],
  },
  {
    name: 'a snapshot forgets which maps have begun',
    file: 'shuffle-manager/ledger.ts',
    find: '      refill(run.begun, saved.begun);\n',
    replace: '',
    faults: ['managerKill', 'killIdle', 'killCommitting', 'lateCommit', 'twice', 'kill'],
    isQuick: true,
  },
  {
    name: 'a failed sync of the journal is forgotten',
    file: 'shuffle-manager/journal.ts',
    find: '      this.#spoiled = true;\n',
    replace: '',
    faults: ['sync'],
  },
  {
    name: 'an older manager answers what a newer has not read',
    file: 'shuffle-manager/journal.ts',
    find: "    if (checked.status === 'rejected') throw checked.reason;\n",
    replace: '',
    faults: ['twoManagers'],
  },
  {
    name: 'layouts outlive a refused batch',
    file: 'shuffle-manager/manager.ts',
    find: '        this.#layouts.clear();\n',
    replace: '',
    faults: ['full', 'eio', 'sync'],
  },
  {
    name: 'a region in a segment that was synced before is not synced',
    file: 'shuffle-worker/store/directory.ts',
    find: '    segment.regions++;\n    segment.unsynced = true;\n',
    replace: '    segment.regions++;\n',
    faults: ['power', 'torn'],
  },
  {
    name: 'the trailer does not wait for the data',
    file: 'shuffle-worker/store/flush.ts',
    find: '    await writeData(next, write);',
    replace: '    const written = writeData(next, write);\n    written.catch(() => {});',
    faults: ['kill', 'killAcked', 'slowDisk'],
  },
  {
    name: 'what a start finds does not keep its segment',
    file: 'shuffle-worker/store/recover.ts',
    find: '      one.region.segment.regions++;\n',
    replace: '',
    faults: ['kill', 'bounce'],
  },
  {
    name: 'a frame that was cut off keeps its place',
    file: 'shuffle-worker/session.ts',
    find: '    if (this.#incoming >= 0) memory.arena.free(this.#incoming, this.#incomingBytes);\n',
    replace: '',
    faults: ['cut'],
    isQuick: true,
  },
  {
    name: 'a connection that is over keeps its grant',
    file: 'shuffle-worker/credits.ts',
    find: '    this.#outstanding -= account.outstanding;\n',
    replace: '',
    faults: ['cut'],
    isQuick: true,
  },
  {
    name: 'an expired token is taken',
    file: 'shuffle-manager/protocol/token.ts',
    find: 'if (Number(expires) * 1000 <= wall)',
    replace: 'if (Number(expires) * 1000 <= wall / 1000)',
    faults: ['stranger'],
    isQuick: true,
  },
  {
    name: 'an older connection goes on feeding a stream',
    file: 'shuffle-worker/write-stream.ts',
    find: '    serving.feeding.get(stored)?.leave();\n',
    replace: '',
    faults: ['silence', 'flip', 'oneWay', 'delay'],
  },
];
