/**
 * Columns of forms as files have them, and back: whole numbers without a sign in as many bits as they take there, moments in their unit, floats of 32
 * bits. What a file's integers become when a column of a form is read is here too. Called by the Parquet and Arrow readers and sinks.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Column, type ColumnType, formOf } from '../batch/batch.ts';
import { makeColumn } from '../batch/column.ts';
import { type Form, forms, type TimeUnit } from '../batch/forms.ts';

/** Bits and sign of whole numbers in files, by our form or kind; null: it is no whole number. */
export function bitsOf(type: ColumnType): { readonly bits: number; readonly signed: boolean } | null {
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(formOf(type) ?? (type.kind === 'integer' ? 'int64' : type.kind)) ?? [];
  return bits === undefined || (formOf(type) !== null && forms[formOf(type)!].meaning !== 'number')
    ? null
    : { bits: Number(bits), signed: unsigned === '' };
}

/** Whether every whole number of so many bits is one of a declared form. */
export function holds(form: Form, bits: number, signed: boolean): boolean {
  const own = /^(u?)int(\d+)$/.exec(form);
  if (own === null) return false;
  const [isUnsigned, room] = [own[1] === 'u', Number(own[2])];
  return signed ? !isUnsigned && bits <= room : isUnsigned ? bits <= room : bits < room;
}

/** The unit of a declared moment. */
export function unitOf(type: ColumnType): TimeUnit {
  const form = formOf(type);
  return form === null ? 'us' : (forms[form].unit ?? 'us');
}

/** The unit that a Parquet file has for a declared one: seconds there are none. */
export const fileUnit = (type: ColumnType): TimeUnit => (unitOf(type) === 's' ? 'ms' : unitOf(type));

/** Of integers of 32 bits (without a sign) or 64, as uint64 has them at rest. */
export function wideOf(words: Int32Array, lanes: 1 | 2): Int32Array {
  const n = words.length / lanes;
  const out = new Int32Array(4 * n);
  for (let i = 0; i < n; i++) for (let lane = 0; lane < lanes; lane++) out[4 * i + lane] = words[lanes * i + lane]!;
  return out;
}

/** As the file has it: uint32 a word, uint64 two lanes, moments in the unit of the file; any other column as it is. */
export function toFileColumn(column: Column, unit: TimeUnit = unitOf(column.type)): Column {
  const form = formOf(column.type);
  const { length, validity } = column;
  const data = column.data as Int32Array;
  if (form === 'uint32')
    return makeColumn(
      { kind: 'int32' },
      length,
      Int32Array.from({ length }, (_, i) => data[2 * i]!),
      validity,
    );
  if (form === 'uint64') {
    const lanes = new Int32Array(2 * length);
    for (let i = 0; i < length; i++) {
      lanes[2 * i] = data[4 * i]!;
      lanes[2 * i + 1] = data[4 * i + 1]!;
    }
    return makeColumn({ kind: 'int64' }, length, lanes, validity);
  }
  if (form === null || forms[form].meaning !== 'moment' || unit === 'us' || unit === 'ns') return column;
  const by = unit === 's' ? 1_000_000n : 1000n;
  const lanes = new BigInt64Array(length);
  const micros = new BigInt64Array(data.slice(0, 2 * length).buffer);
  // At rest they are whole units.
  for (let i = 0; i < length; i++) lanes[i] = micros[i]! / by;
  return makeColumn({ kind: 'int64' }, length, new Int32Array(lanes.buffer), validity);
}

export const nanosOf: Readonly<Record<TimeUnit, bigint>> = { s: 1_000_000_000n, ms: 1_000_000n, us: 1000n, ns: 1n };

/** Moments or times of a file's unit as ones of another; those of nulls must be 0. @throws VALUE_OUT_OF_RANGE what is beyond it, or finer */
export function toUnit(lanes: Int32Array, from: TimeUnit, to: TimeUnit, what: string): Int32Array {
  const [size, wanted] = [nanosOf[from], nanosOf[to]];
  if (size === wanted) return lanes;
  const out = new BigInt64Array(lanes.slice().buffer);
  for (let i = 0; i < out.length; i++) {
    const value = out[i]!;
    const nanos = value * size;
    if (nanos % wanted !== 0n) throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${what} holds the time ${value} ${from}, finer than a ${to}` });
    const made = nanos / wanted;
    if (BigInt.asIntN(64, made) !== made)
      throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${what} holds the time ${value} ${from}, beyond what ${to} in 64 bits can say` });
    out[i] = made;
  }
  return new Int32Array(out.buffer);
}
