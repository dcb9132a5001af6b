/**
 * Forms: what the values of a column are outside, where that is more than kernels compute with. A uint8 is computed as int32, bytes are
 * kept as text is, a time of day is a whole number; what they may hold, how rows show them and how files have them is told by the form. A number of a form is a
 * plain number as soon as something is computed from it; any other form is a meaning of its own.
 */
import { SluiceError } from '#manager/protocol/errors.ts';

export type NumberForm = 'int8' | 'int16' | 'uint8' | 'uint16' | 'uint32' | 'uint64' | 'float32';
/** Moments in other units than microseconds, and without a zone. */
export type MomentForm =
  | 'timestamp(s)'
  | 'timestamp(ms)'
  | 'localTimestamp'
  | 'localTimestamp(s)'
  | 'localTimestamp(ms)'
  | 'timestamp(ns)'
  | 'localTimestamp(ns)';
export type Form = NumberForm | MomentForm | 'bytes' | 'time';

export type TimeUnit = 's' | 'ms' | 'us' | 'ns';
/** What is computed with, what it may hold where that is less than its kind may, and what a moment counts. */
export interface FormFacts {
  readonly kind: 'int32' | 'integer' | 'int64' | 'float64' | 'decimal' | 'utf8' | 'timestamp';
  readonly meaning: 'number' | 'moment' | 'time' | 'bytes';
  readonly least?: bigint;
  readonly most?: bigint;
  readonly unit?: TimeUnit;
  readonly isLocal?: boolean;
}

const whole = (kind: 'int32' | 'integer' | 'decimal', bits: number, isSigned: boolean): FormFacts => ({
  kind,
  meaning: 'number',
  least: isSigned ? -(2n ** BigInt(bits - 1)) : 0n,
  most: 2n ** BigInt(isSigned ? bits - 1 : bits) - 1n,
});
const moment = (unit: TimeUnit, isLocal: boolean): FormFacts =>
  unit === 'ns'
    ? { kind: 'int64', meaning: 'moment', unit, isLocal, least: -(2n ** 63n), most: 2n ** 63n - 1n }
    : { kind: 'timestamp', meaning: 'moment', unit, isLocal };

export const microsOfDay = 86_400_000_000n;

export const forms: Readonly<Record<Form, FormFacts>> = {
  int8: whole('int32', 8, true),
  int16: whole('int32', 16, true),
  uint8: whole('int32', 8, false),
  uint16: whole('int32', 16, false),
  uint32: whole('integer', 32, false),
  uint64: whole('decimal', 64, false),
  float32: { kind: 'float64', meaning: 'number' },
  bytes: { kind: 'utf8', meaning: 'bytes' },
  time: { kind: 'integer', meaning: 'time', least: 0n, most: microsOfDay - 1n },
  'timestamp(s)': moment('s', false),
  'timestamp(ms)': moment('ms', false),
  'timestamp(ns)': moment('ns', false),
  localTimestamp: moment('us', true),
  'localTimestamp(s)': moment('s', true),
  'localTimestamp(ms)': moment('ms', true),
  'localTimestamp(ns)': moment('ns', true),
};

/** A value at rest (expression/values.ts) as its form keeps it. @throws VALUE_OUT_OF_RANGE */
export function fitForm<V>(value: V, form: Form, text: () => string = () => String(value)): V {
  if (form === 'float32') {
    const rounded = Math.fround(value as number);
    if (Number.isFinite(value) && !Number.isFinite(rounded)) return beyond(text(), form);
    return rounded as V;
  }
  const { least, most } = forms[form];
  if (least !== undefined && ((value as number | bigint) < least || (value as number | bigint) > most!)) return beyond(text(), form);
  return value;
}

const beyond = (text: string, form: Form): never => {
  throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `${text} does not fit in ${form}` });
};
