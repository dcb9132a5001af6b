/** Lists and structs: what is in them, how many, and lists made of text. They work on whole columns (lift.ts). */
import { type Column, type ColumnType, sameType } from '../../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../../batch/bitmap.ts';
import { isNull, makeColumn, makeList, withValidity } from '../../batch/column.ts';
import { columnComparator } from '../../batch/compare.ts';
import { toPlain } from '../../batch/dictionary.ts';
import { lanesToNumber } from '../../batch/lanes.ts';
import { takeOrNull } from '../../batch/take.ts';
import { splitText } from '../split.ts';
import { compareValues, type NestedValue, type Value } from '../values.ts';
import { always, anyNullable, bool, castTo, int32, literalText, typesOf, unify, want, wantCount } from './arguments.ts';
import { type FunctionRows, wrong } from './row.ts';

type Struct = Readonly<Record<string, NestedValue>>;
type List = readonly NestedValue[];

const listOf = (fn: string, type: ColumnType | undefined): Extract<ColumnType, { kind: 'list' }> =>
  type?.kind === 'list' ? type : wrong(`${fn} takes a list, not ${type?.kind ?? 'nothing'}`);

/** Null where any of them is. */
function allThere(columns: readonly Column[], length: number): Uint8Array | null {
  const bitmaps = columns.flatMap(({ validity }) => (validity === null ? [] : [validity]));
  if (bitmaps.length <= 1) return bitmaps[0] ?? null;
  const both = new Uint8Array(bitmapBytes(length));
  for (let b = 0; b < both.length; b++) both[b] = bitmaps.reduce((bits, bitmap) => bits & bitmap[b]!, 0xff);
  return both;
}

export const nesteds: FunctionRows = {
  field: {
    doc: 'The value of a field of a struct; null when the struct is.',
    nulls: 'columnar',
    nested: true,
    guarded: always,
    resolve(fn, args) {
      wantCount(fn, args, 2);
      const [struct, named] = args as [(typeof args)[0], (typeof args)[0]];
      if (struct.type.kind !== 'struct') return wrong(`${fn} takes a struct, not ${struct.type.kind}`);
      const name = literalText(fn, named);
      const found = struct.type.fields.find((field) => field.name === name);
      if (found === undefined) return wrong(`a struct of ${struct.type.fields.map((field) => field.name).join(', ')} has no field ${name}`);
      return { args, type: found.type, nullable: struct.nullable || found.nullable };
    },
    interpret: ([struct, name]) => (struct === null ? null : ((struct as Struct)[name as string] ?? null)),
    columns([struct], length, node) {
      const { type, children } = struct!;
      const name = literalText('field', node.args[1]!);
      const child = children[type.kind === 'struct' ? type.fields.findIndex((field) => field.name === name) : -1]!;
      return struct!.validity === null ? child : withValidity(child, allThere([struct!, child], length));
    },
  },
  listLength: {
    doc: 'How many values a list has, nulls too.',
    nulls: 'columnar',
    nested: true,
    guarded: always,
    resolve(fn, args) {
      wantCount(fn, args, 1);
      listOf(fn, args[0]!.type);
      return { args, type: int32, nullable: args[0]!.nullable };
    },
    interpret: ([list]) => (list === null ? null : (list as List).length),
    columns([list], length) {
      const { offsets, validity } = list!;
      const data = new Int32Array(length);
      for (let i = 0; i < length; i++) data[i] = offsets![i + 1]! - offsets![i]!;
      return makeColumn(int32, length, data, validity);
    },
  },
  at: {
    doc: 'One value of a list: 0 is the first, -1 the last; null when there is none.',
    nulls: 'columnar',
    nested: true,
    guarded: always,
    resolve(fn, args) {
      wantCount(fn, args, 2);
      const { item } = listOf(fn, args[0]!.type);
      if (!['int32', 'integer'].includes(args[1]!.type.kind)) return wrong(`${fn} takes a whole number of 32 bits, not ${args[1]!.type.kind}`);
      return { args, type: item.type, nullable: true };
    },
    interpret: ([list, index]) => (list === null || index === null ? null : ((list as List).at(index as number) ?? null)),
    columns([list, index], length) {
      const { offsets, children } = list!;
      const rows = new Int32Array(length).fill(-1);
      const { data } = index!;
      const isWord = index!.type.kind === 'int32';
      for (let i = 0; i < length; i++) {
        if (isNull(list!, i) || isNull(index!, i)) continue;
        const at = isWord ? data[i]! : lanesToNumber(data[2 * i]!, data[2 * i + 1]!);
        const from = offsets![i]!;
        const to = offsets![i + 1]!;
        const row = at < 0 ? to + at : from + at;
        if (row >= from && row < to) rows[i] = row;
      }
      return takeOrNull(children[0]!, rows, length);
    },
  },
  contains: {
    doc: 'Has a value equal to the other; null when the list or the other is, and nulls in the list equal nothing.',
    nulls: 'columnar',
    nested: true,
    guarded: always,
    resolve(fn, args) {
      wantCount(fn, args, 2);
      const { item } = listOf(fn, args[0]!.type);
      if (item.type.kind === 'list' || item.type.kind === 'struct') return wrong(`${fn} compares no ${item.type.kind}s: unnest the list`);
      const wanted: (typeof args)[0] = { op: 'column', name: '', type: item.type, nullable: item.nullable };
      const { type } = unify(fn, [wanted, args[1]!]);
      // The other is widened to what the list has; a list is not cast.
      if (!sameType(type, item.type)) return wrong(`${fn} cannot take (${typesOf(args)}): cast the value`);
      return { args: [args[0]!, castTo(args[1]!, item.type)], type: bool, nullable: anyNullable(args) };
    },
    interpret: ([list, value]) =>
      list === null || value === null
        ? null
        : (list as List).some((item) => item !== null && compareValues(item as NonNullable<Value>, value as NonNullable<Value>) === 0),
    columns([list, value], length) {
      const { offsets, children } = list!;
      const items = children[0]!;
      const compare = columnComparator(items, value!, false);
      const data = new Uint8Array(bitmapBytes(length));
      const validity = allThere([list!, value!], length);
      for (let i = 0; i < length; i++) {
        if (validity !== null && bitAt(validity, i) === 0) continue;
        for (let item = offsets![i]!; item < offsets![i + 1]!; item++) {
          if (isNull(items, item) || compare(item, i) !== 0) continue;
          setBit(data, i);
          break;
        }
      }
      return makeColumn(bool, length, data, validity);
    },
  },
  split: {
    doc: 'What stands between the separators, as a list, one text at least; an empty separator stands between all code points.',
    nulls: 'columnar',
    nested: true,
    guarded: always,
    resolve(fn, args) {
      want(fn, args, ['utf8'], ['utf8']);
      return { args, type: { kind: 'list', item: { type: { kind: 'utf8' }, nullable: false } }, nullable: anyNullable(args) };
    },
    interpret: ([text, by]) =>
      text === null || by === null ? null : by === '' && text !== '' ? [...(text as string)] : (text as string).split((by as string) || ','),
    columns([text, by], length, node) {
      const validity = allThere([text!, by!], length);
      const { offsets, items } = splitText(toPlain(text!), toPlain(by!), validity, length);
      return makeList(node.type, length, offsets, validity, items);
    },
  },
};
