/**
 * The key hash that also says which partition a row goes to (batch/hash.ts): the same in every process and release, so that
 * a share of keys can be picked, or keys cut into buckets, and found again.
 */
import { type ColumnType, formOf, type TypeKind } from '../../batch/batch.ts';
import type { Unscaled } from '../../batch/decimal.ts';
import { closeKey, foldKey, hashBytes, hashDecimal, nullHigh } from '../../batch/hash.ts';
import { highLane, highLaneOf, lowLane, lowLaneOf } from '../../batch/lanes.ts';
import type { Lanes } from '../code.ts';
import { encodeText } from '../text.ts';
import type { Value } from '../values.ts';
import { always, integer, wantCount } from './arguments.ts';
import { type FunctionRows, wrong } from './row.ts';

const lanes = new Int32Array(2);
const eight = new Int32Array(2);
const eightBytes = new Uint8Array(eight.buffer);
const double = new Float64Array(1);
const doubleLanes = new Int32Array(double.buffer);
const truths = new Uint8Array([0, 1]);

function hashOfLanes(low: number, high: number): number {
  eight[0] = low;
  eight[1] = high;
  return hashOfText(eightBytes, 0, 8);
}
function hashOfText(bytes: Uint8Array, start: number, end: number): number {
  hashBytes(bytes, start, end, lanes, 0);
  return lanes[1]!;
}
function hashOfWhole(value: number): number {
  return hashOfLanes(lowLane(value), highLane(value));
}
function hashOfFloat(value: number): number {
  double[0] = value === 0 ? 0 : value;
  return Number.isNaN(value) ? hashOfLanes(0, 0x7ff80000) : hashOfLanes(doubleLanes[0]!, doubleLanes[1]!);
}
function hashOfBool(value: boolean): number {
  return hashOfText(truths, value ? 1 : 0, value ? 2 : 1);
}

function hashOfDecimal(value: Unscaled, scale: number): number {
  hashDecimal(value, scale, lanes, 0);
  return lanes[1]!;
}

/** Which of them hashes a kind's lanes. */
const hashers: Partial<Record<TypeKind, (...lanes: never[]) => number>> = {
  int32: hashOfWhole,
  integer: hashOfWhole,
  date: hashOfWhole,
  int64: hashOfLanes,
  timestamp: hashOfLanes,
  float64: hashOfFloat,
  bool: hashOfBool,
  utf8: hashOfText,
  decimal: hashOfDecimal,
};

function hashOf(value: Value, type: ColumnType): number {
  if (value === null) return nullHigh;
  if (type.kind === 'decimal') return hashOfDecimal(value as bigint, type.scale);
  if (typeof value === 'bigint') return hashOfLanes(lowLaneOf(value), highLaneOf(value));
  if (typeof value === 'boolean') return hashOfBool(value);
  if (typeof value === 'number') return type.kind === 'float64' ? hashOfFloat(value) : hashOfWhole(value);
  const bytes = formOf(type) === 'bytes' ? Buffer.from(value as string, 'latin1') : encodeText(value as string);
  return hashOfText(bytes, 0, bytes.length);
}

export const hashes: FunctionRows = {
  hash: {
    doc: 'A number from 0 to 2^32 - 1 that depends on the values alone, of null too: the hash by which rows are spread, the same in every release.',
    nulls: 'own',
    resolve(name, args) {
      wantCount(name, args, 1, Number.POSITIVE_INFINITY);
      const odd = args.find(({ type }) => hashers[type.kind] === undefined);
      if (odd !== undefined) wrong(`${name} cannot take ${odd.type.kind}`);
      return { args, type: integer, nullable: false };
    },
    interpret(value, { args }) {
      const keys = args.map((arg, k) => hashOf(value(k), arg.type));
      return (keys.length === 1 ? keys[0]! : closeKey(keys.reduce(foldKey, 0), keys.length)) >>> 0;
    },
    guarded: always,
    emit(code, { args }) {
      const keys = args.map((arg) => {
        const { lanes: given, isNull } = code.value(arg);
        const hashed = (of: Lanes): string =>
          `${code.kernel(hashers[arg.type.kind]!)}(${[...of, ...(arg.type.kind === 'decimal' ? [String(arg.type.scale)] : [])].join(', ')})`;
        return code.hold(isNull === 'false' ? hashed(given) : `${isNull} ? ${nullHigh} : ${hashed(given)}`);
      });
      const state =
        keys.length === 1
          ? keys[0]!
          : `${code.kernel(closeKey)}(${keys.reduce((all, key) => `${code.kernel(foldKey)}(${all}, ${key})`, '0')}, ${keys.length})`;
      return { lanes: [code.hold(`${state} >>> 0`)], isNull: 'false' };
    },
  },
};
