/**
 * Quantiles: the value below which a share of the values lies, between two values in proportion. Exactly, by keeping every value;
 * or from a sketch of bounded size (KLL, kll.ts), which is exact as long as a group has few values.
 */
import type { Column } from '../batch/batch.ts';
import { bitmapBytes, setBit } from '../batch/bitmap.ts';
import { makeColumn } from '../batch/column.ts';
import type { Aggregate } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import { grownDoubles, grownWords } from './grown.ts';
import { addTo, createSketch, mergeInto, quantileOf, readSketch, type Sketch, sketchBytes, writeSketch } from './kll.ts';
import { pack, packedType, rowsByGroup, unpack } from './packed.ts';
import type { Accumulator, AggregateRow, AggregateRows } from './row.ts';

const float64 = { kind: 'float64' } as const;

const shareOf = ({ options = [] }: Pick<Aggregate, 'options'>): number => Number(options[0]);

const row = (doc: string, create: AggregateRow['create'], rest: Pick<AggregateRow, 'order' | 'keeps'>): AggregateRow => ({
  doc,
  empty: 'null',
  nulls: 'skip',
  takes: float64,
  resolve: (fn, _argument, _more, [share]) =>
    typeof share === 'number' && share >= 0 && share <= 1 ? float64 : wrong(`${fn} takes a share between 0 and 1, not ${String(share)}`),
  fields: ({ name }) => [{ name, type: packedType, nullable: false }],
  create,
  ...rest,
});

export const quantiles: AggregateRows = {
  quantile: row('The value below which a share of the values lies, exactly; between two values in proportion.', (of) => new Quantile(shareOf(of)), {
    order: () => 'nothing',
    keeps: 'values',
  }),
  approxQuantile: row(
    'About the value below which a share of the values lies: its true share is within 1 % of what was asked, and it is exact up to 400 values.',
    (of) => new ApproxQuantile(shareOf(of)),
    { order: () => 'result' },
  ),
};

/** Of sorted values. */
function between(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  const part = place - below;
  return part === 0 ? low : low * (1 - part) + sorted[below + 1]! * part;
}

class Quantile implements Accumulator {
  readonly #share: number;
  #values = new Float64Array(0);
  #groups = new Int32Array(0);
  #size = 0;

  constructor(share: number) {
    this.#share = share;
  }

  get bytes(): number {
    return this.#values.byteLength + this.#groups.byteLength;
  }

  grow(): void {}

  update(group: Int32Array, length: number, argument: Column | null): void {
    if (this.#size + length > this.#values.length) {
      this.#values = grownDoubles(this.#values, this.#size + length);
      this.#groups = grownWords(this.#groups, this.#size + length);
    }
    const data = argument!.data as Float64Array;
    for (let i = 0; i < length; i++) {
      if (group[i]! < 0) continue;
      this.#values[this.#size] = data[i]!;
      this.#groups[this.#size++] = group[i]!;
    }
  }

  merge(group: Int32Array, _length: number, columns: readonly Column[]): void {
    const { values, group: owner } = unpack(columns[0]!, float64, group);
    this.update(owner, owner.length, values);
  }

  partial(groups: number): Column[] {
    return [pack(makeColumn(float64, this.#size, this.#values), this.#groups, groups)];
  }

  final(groups: number): Column {
    const { rows, ends } = rowsByGroup(this.#groups, this.#size, groups);
    const sorted = Float64Array.from(rows, (row) => this.#values[row]!);
    return quantileColumn(groups, (g) => {
      const from = g === 0 ? 0 : ends[g - 1]!;
      const own = sorted.subarray(from, ends[g]!);
      return own.length === 0 ? null : between(own.sort(), this.#share);
    });
  }
}

class ApproxQuantile implements Accumulator {
  readonly #share: number;
  readonly #sketches: Sketch[] = [];
  #bytes = 0;

  constructor(share: number) {
    this.#share = share;
  }

  get bytes(): number {
    return this.#bytes;
  }

  grow(groups: number): void {
    while (this.#sketches.length < groups) {
      const sketch = createSketch();
      this.#bytes += sketchBytes(sketch);
      this.#sketches.push(sketch);
    }
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const data = argument!.data as Float64Array;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g >= 0) this.#bytes += addTo(this.#sketches[g]!, data[i]!);
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const { data, offsets } = columns[0]!;
    for (let i = 0; i < length; i++)
      this.#bytes += mergeInto(this.#sketches[group[i]!]!, readSketch((data as Uint8Array).subarray(offsets![i], offsets![i + 1])));
  }

  partial(groups: number): Column[] {
    const written = this.#sketches.slice(0, groups).map(writeSketch);
    const offsets = new Int32Array(groups + 1);
    written.forEach((bytes, g) => {
      offsets[g + 1] = offsets[g]! + bytes.length;
    });
    const data = new Uint8Array(offsets[groups]!);
    written.forEach((bytes, g) => {
      data.set(bytes, offsets[g]);
    });
    return [makeColumn(packedType, groups, data, null, offsets)];
  }

  final(groups: number): Column {
    return quantileColumn(groups, (g) => quantileOf(this.#sketches[g]!, this.#share));
  }
}

function quantileColumn(groups: number, of: (g: number) => number | null): Column {
  const data = new Float64Array(groups);
  const validity = new Uint8Array(bitmapBytes(groups));
  for (let g = 0; g < groups; g++) {
    const value = of(g);
    if (value === null) continue;
    data[g] = value;
    setBit(validity, g);
  }
  return makeColumn(float64, groups, data, validity);
}
