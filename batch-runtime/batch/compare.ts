/**
 * The order of values, the same everywhere: numbers as numbers with -0 = 0 and NaN greater than all and equal to itself,
 * false before true, text by its UTF-8 bytes, nulls last whether ascending or descending. Row against row, within one
 * batch or across two; sort.ts and range partitions build on it.
 */
import type { Column } from './batch.ts';
import { bitAt } from './bitmap.ts';
import { layoutOf, notOrdered } from './column.ts';

/** Negative, 0 or positive for row i of the left columns against row j of the right ones. */
export type Comparator = (i: number, j: number) => number;

/** How one sort key looks at its column. */
export interface ColumnOrder {
  readonly column: number;
  readonly descending: boolean;
}

/** Compares by several columns, the first difference decides. Types agree column by column. */
export function rowComparator(left: readonly Column[], right: readonly Column[], order: readonly ColumnOrder[]): Comparator {
  const comparators = order.map((o) => columnComparator(left[o.column]!, right[o.column]!, o.descending));
  if (comparators.length === 1) return comparators[0]!;
  return (i, j) => {
    for (let c = 0; c < comparators.length; c++) {
      const difference = comparators[c]!(i, j);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

export function columnComparator(left: Column, right: Column, descending: boolean): Comparator {
  const ascending = valueComparator(left, right);
  const compare: Comparator = descending ? (i, j) => -ascending(i, j) : ascending;
  const { validity: leftValidity } = left;
  const { validity: rightValidity } = right;
  if (leftValidity === null && rightValidity === null) return compare;
  return (i, j) => {
    const leftNull = leftValidity !== null && bitAt(leftValidity, i) === 0;
    const rightNull = rightValidity !== null && bitAt(rightValidity, j) === 0;
    if (leftNull || rightNull) return (leftNull ? 1 : 0) - (rightNull ? 1 : 0);
    return compare(i, j);
  };
}

function valueComparator(left: Column, right: Column): Comparator {
  switch (layoutOf(left.type)) {
    case 'word': {
      const a = left.data as Int32Array;
      const b = right.data as Int32Array;
      return (i, j) => a[i]! - b[j]!;
    }
    case 'lanes': {
      const a = left.data as Int32Array;
      const b = right.data as Int32Array;
      return (i, j) => a[2 * i + 1]! - b[2 * j + 1]! || (a[2 * i]! >>> 0) - (b[2 * j]! >>> 0);
    }
    case 'wide': {
      const a = left.data as Int32Array;
      const b = right.data as Int32Array;
      return (i, j) => {
        const [at, to] = [4 * i, 4 * j];
        const high = a[at + 3]! - b[to + 3]!;
        if (high !== 0) return high;
        for (let lane = 2; lane >= 0; lane--) {
          const difference = (a[at + lane]! >>> 0) - (b[to + lane]! >>> 0);
          if (difference !== 0) return difference;
        }
        return 0;
      };
    }
    case 'double': {
      const a = left.data as Float64Array;
      const b = right.data as Float64Array;
      return (i, j) => compareDoubles(a[i]!, b[j]!);
    }
    case 'bits': {
      const a = left.data as Uint8Array;
      const b = right.data as Uint8Array;
      return (i, j) => bitAt(a, i) - bitAt(b, j);
    }
    case 'bytes':
      return textComparator(left, right);
    case 'list':
    case 'struct':
      return notOrdered(left.type);
  }
}

export function compareDoubles(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0);
}

function textComparator(left: Column, right: Column): Comparator {
  const a = left.dictionary ?? left;
  const b = right.dictionary ?? right;
  const aBytes = a.data as Uint8Array;
  const bBytes = b.data as Uint8Array;
  const aOffsets = a.offsets!;
  const bOffsets = b.offsets!;
  const aCodes = left.dictionary === null ? null : (left.data as Int32Array);
  const bCodes = right.dictionary === null ? null : (right.data as Int32Array);
  const sameDictionary = a === b;
  return (i, j) => {
    const x = aCodes === null ? i : aCodes[i]!;
    const y = bCodes === null ? j : bCodes[j]!;
    if (sameDictionary && x === y) return 0;
    return compareBytes(aBytes, aOffsets[x]!, aOffsets[x + 1]!, bBytes, bOffsets[y]!, bOffsets[y + 1]!);
  };
}

/** By bytes, a prefix before what it begins. */
export function compareBytes(a: Uint8Array, aFrom: number, aTo: number, b: Uint8Array, bFrom: number, bTo: number): number {
  const shared = Math.min(aTo - aFrom, bTo - bFrom);
  for (let k = 0; k < shared; k++) {
    const difference = a[aFrom + k]! - b[bFrom + k]!;
    if (difference !== 0) return difference;
  }
  return aTo - aFrom - (bTo - bFrom);
}
