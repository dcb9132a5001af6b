/** The texts of a group one behind the other, in the order of rows, with a separator between them. */
import type { Column } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { makeColumn } from '../batch/column.ts';
import { wrong } from '../expression/functions/row.ts';
import { grownBytes } from './grown.ts';
import type { Accumulator, AggregateRows } from './row.ts';

const utf8 = { kind: 'utf8' } as const;

export const joinedTexts: AggregateRows = {
  joinText: {
    doc: 'The texts one behind the other in the order of rows, with a separator between them.',
    empty: 'null',
    nulls: 'skip',
    order: () => 'result',
    resolve: (fn, argument, _more, [separator]) => {
      if (argument?.type.kind !== 'utf8') return wrong(`${fn} of ${argument === null ? 'nothing' : `a ${argument.type.kind}`}: cast it to utf8`);
      return typeof separator === 'string' ? utf8 : wrong(`${fn} takes a text that stands between the texts, not ${String(separator)}`);
    },
    fields: ({ name }) => [{ name, type: utf8, nullable: true }],
    create: ({ options = [] }) => new JoinedText(String(options[0])),
  },
};

/** Of the array of a group beside its bytes, about. */
const textBytes = 200;

class JoinedText implements Accumulator {
  readonly #separator: Uint8Array;
  readonly #texts: (Uint8Array | null)[] = [];
  readonly #used: number[] = [];
  #bytes = 0;

  constructor(separator: string) {
    this.#separator = new TextEncoder().encode(separator);
  }

  get bytes(): number {
    return this.#bytes + textBytes * this.#texts.length;
  }

  grow(groups: number): void {
    while (this.#texts.length < groups) {
      this.#texts.push(null);
      this.#used.push(0);
    }
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const column = argument!;
    const codes = column.dictionary === null ? null : (column.data as Int32Array);
    const { data, offsets } = column.dictionary ?? column;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      if (this.#texts[g] === null) this.#texts[g] = new Uint8Array(0);
      else this.#append(g, this.#separator, 0, this.#separator.length);
      const entry = codes === null ? i : codes[i]!;
      this.#append(g, data as Uint8Array, offsets![entry]!, offsets![entry + 1]!);
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const { validity } = columns[0]!;
    const there = validity === null ? group : Int32Array.from({ length }, (_, i) => (bitAt(validity, i) === 1 ? group[i]! : -1));
    this.update(there, length, columns[0]!);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    const offsets = new Int32Array(groups + 1);
    const validity = new Uint8Array(bitmapBytes(groups));
    for (let g = 0; g < groups; g++) {
      offsets[g + 1] = offsets[g]! + this.#used[g]!;
      if (this.#texts[g] !== null) setBit(validity, g);
    }
    const data = new Uint8Array(offsets[groups]!);
    for (let g = 0; g < groups; g++) data.set(this.#texts[g]?.subarray(0, this.#used[g]) ?? [], offsets[g]);
    return makeColumn(utf8, groups, data, validity, offsets);
  }

  #append(g: number, source: Uint8Array, from: number, to: number): void {
    const used = this.#used[g]!;
    let text = this.#texts[g]!;
    if (used + to - from > text.length) {
      const grown = grownBytes(text, used + to - from);
      this.#bytes += grown.length - text.length;
      this.#texts[g] = grown;
      text = grown;
    }
    for (let at = from, into = used; at < to; at++, into++) text[into] = source[at]!;
    this.#used[g] = used + to - from;
  }
}
