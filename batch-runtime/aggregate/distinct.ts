/**
 * How many different values: exactly, by keeping each value of each group once. The state of a group is as large as its values; the plan
 * makes two levels of groups of it where it can (graph/rules), so that what is here stays small.
 */
import type { Column } from '../batch/batch.ts';
import { makeColumn } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder } from '../batch/keys.ts';
import { highLane, lowLane } from '../batch/lanes.ts';
import { takeColumn } from '../batch/take.ts';
import type { Aggregate, Expression } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import { pack, packedType, unpack } from './packed.ts';
import type { Accumulator, AggregateRows } from './row.ts';

export const distincts: AggregateRows = {
  countDistinct: {
    doc: 'How many different values, exactly; null is none, -0 is 0 and every NaN the same.',
    empty: 'zero',
    nulls: 'skip',
    order: () => 'nothing',
    keeps: 'values',
    resolve: (fn, argument) => (argument === null ? wrong(`${fn} of nothing`) : { kind: 'integer' }),
    fields: ({ name }) => [{ name, type: packedType, nullable: false }],
    create: (aggregate) => new CountDistinct(aggregate),
  },
};

const int32 = { kind: 'int32' } as const;

class CountDistinct implements Accumulator {
  readonly #argument: Expression;
  readonly #encoder: KeyEncoder;
  /** Pairs of a group and a value. */
  readonly #pairs: GroupTable;
  #lanes = new Int32Array(0);
  #rows = new Int32Array(0);
  #groups = new Int32Array(0);

  constructor({ argument }: Aggregate) {
    this.#argument = argument!;
    this.#encoder = new KeyEncoder([
      { type: int32, nullable: false },
      { type: this.#argument.type, nullable: false },
    ]);
    this.#pairs = new GroupTable(this.#encoder.width);
  }

  get bytes(): number {
    return this.#pairs.bytes + this.#encoder.bytes;
  }

  grow(): void {}

  update(group: Int32Array, length: number, argument: Column | null): void {
    if (this.#rows.length < length) {
      this.#rows = new Int32Array(length);
      this.#groups = new Int32Array(length);
      this.#lanes = new Int32Array(length * this.#encoder.width);
    }
    let n = 0;
    for (let i = 0; i < length; i++) {
      if (group[i]! < 0) continue;
      this.#rows[n] = i;
      this.#groups[n++] = group[i]!;
    }
    const values = n === length ? argument! : takeColumn(argument!, this.#rows, n);
    this.#encoder.encode([makeColumn(int32, n, this.#groups), values], n, false, this.#lanes);
    this.#pairs.add(this.#lanes, n, this.#rows);
  }

  merge(group: Int32Array, _length: number, columns: readonly Column[]): void {
    const { values, group: owner } = unpack(columns[0]!, this.#argument.type, group);
    this.update(owner, owner.length, values);
  }

  partial(groups: number): Column[] {
    const [owner, values] = this.#encoder.decode(this.#pairs.keys, this.#pairs.size);
    return [pack(values!, owner!.data as Int32Array, groups)];
  }

  final(groups: number): Column {
    const counts = new Float64Array(groups);
    const { keys, size, width } = this.#pairs;
    for (let pair = 0; pair < size; pair++) counts[keys[pair * width]!]!++;
    const data = new Int32Array(2 * groups);
    for (let g = 0; g < groups; g++) {
      data[2 * g] = lowLane(counts[g]!);
      data[2 * g + 1] = highLane(counts[g]!);
    }
    return makeColumn({ kind: 'integer' }, groups, data);
  }
}
