/**
 * The mutants: one wrong line each, as somebody could write it. Used by mutants.ts, which applies them to a copy of the tree.
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
}

export const mutants: readonly Mutant[] = [
  {
    name: 'no incarnation check',
    file: 'shuffle-worker/worker.ts',
    find: 'if (hello.incarnation !== this.incarnation)',
    replace: "if (hello.incarnation === '')",
  },
  {
    name: 'empty on bad hash',
    file: 'shuffle-worker/verified-read.ts',
    find: '      this.#fault = this.#faultOf(code);',
    replace: "      if (verdictOf(code) === 'corrupt') this.#state = 'ended';\n      else this.#fault = this.#faultOf(code);",
    faults: ['flip', 'rot'],
  },
  {
    name: 'missing file answers zero bytes',
    file: 'shuffle-worker/read-stream.ts',
    find: '    if (lost.size === 0) return;',
    replace: "    if (this.#fault?.code === 'MISSING') this.#expected.fill(0);\n    if (lost.size === 0 || this.#fault?.code === 'MISSING') return;",
    faults: ['gone'],
  },
  {
    name: 'unknown partition answers ok',
    file: 'shuffle-manager/protocol/layout.ts',
    find: 'return exceptions.get(keyOf(map, location)) ?? rowOf(map);',
    replace: 'return Math.max(exceptions.get(keyOf(map, location)) ?? -1, rowOf(map));',
    faults: ['rot', 'gone', 'kill'],
  },
  {
    name: 'retried push not counted',
    file: 'shuffle-worker/store/store.ts',
    find: '      known.orphanedAt = null;',
    replace: '      known.orphanedAt = null;\n      known.accepted = 0;',
    faults: ['cut', 'silence'],
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
    name: 'manifest acknowledged before its level',
    file: 'shuffle-worker/write-stream.ts',
    find: 'store.whenAt(this.#stored, levels[this.#level]!,',
    replace: 'store.whenAt(this.#stored, levels[0]!,',
    faults: ['kill', 'power'],
  },
  {
    name: 'resume skips one block too many',
    file: 'shuffle-worker/connection.ts',
    find: 'for (let block = next.first; block < accepted; block++)',
    replace: 'for (let block = next.first; block <= accepted; block++)',
    faults: ['cut', 'flip'],
  },
];
