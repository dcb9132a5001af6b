/**
 * Every function of an expression, one row each: what it takes and gives, what it makes of nulls, its reference on single
 * values, and its code in a compiled loop. A function may be added here and nowhere else. `call`, `columnRef` and `literal`
 * make nodes whose types are resolved; the fluent API and later SQL are built on them. Exceptions to DuckDB's semantics
 * are in docs/SEMANTICS.md.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { ColumnType, Field, TypeKind } from '../batch/batch.ts';
import { int64Max, int64Min, lanesToBigInt } from '../batch/lanes.ts';
import {
  dayOf,
  formatTimestamp,
  microsPerDay,
  monthOf,
  parseDate,
  parseTimestamp,
  type TruncateUnit,
  truncateDays,
  truncateUnits,
  unitMicros,
  yearOf,
} from './calendar.ts';
import { canCast, castValue, emitCast, isFreeCast } from './cast.ts';
import { arena, type Code, type Emitted, type Lanes, scratch, takeScratch, takeText } from './code.ts';
import type { Expression } from './expression.ts';
import { beyond, checkInt64, checkInteger, millisOf, roundAway } from './numbers.ts';
import { likeMatcher, lowerText, upperText } from './text.ts';
import { type Call, commonType, compareValues, isNumeric, isWhole, literalValue, type Value } from './values.ts';

interface Signature {
  /** The arguments, widened by casts where the function needs one type. */
  readonly args: readonly Expression[];
  readonly type: ColumnType;
  readonly nullable: boolean;
}

interface Described {
  /** One sentence for the reader of a plan or of docs. */
  readonly doc: string;
  /** @throws EXPRESSION_TYPE */
  resolve(fn: string, args: readonly Expression[], target: ColumnType | undefined): Signature;
}
/** Null when any argument is; the code below sees values that are there. */
interface Strict extends Described {
  readonly nulls: 'strict';
  interpret(values: readonly NonNullable<Value>[], node: Call): Value;
  /** True when the code must not run on what stands where a null is: it may throw, or read text. */
  guarded(node: Call): boolean;
  emit(code: Code, args: readonly Lanes[], node: Call): Lanes;
}
/** Has rules of its own, and evaluates an argument only when it is needed, from left to right. */
interface Own extends Described {
  readonly nulls: 'own';
  interpret(value: (k: number) => Value, node: Call): Value;
  emit(code: Code, node: Call): Emitted;
}
export type FunctionRow = Strict | Own;

const bool: ColumnType = { kind: 'bool' };
const int32: ColumnType = { kind: 'int32' };
const integer: ColumnType = { kind: 'integer' };
const int64: ColumnType = { kind: 'int64' };
const float64: ColumnType = { kind: 'float64' };
const utf8: ColumnType = { kind: 'utf8' };
const date: ColumnType = { kind: 'date' };
const timestamp: ColumnType = { kind: 'timestamp' };

const wrong = (what: string): never => {
  throw new SluiceError('EXPRESSION_TYPE', { what });
};
const typesOf = (args: readonly Expression[]): string => args.map((arg) => arg.type.kind).join(', ');
const anyNullable = (args: readonly Expression[]): boolean => args.some((arg) => arg.nullable);

// Nodes

export const columnRef = (field: Field): Expression => ({ op: 'column', name: field.name, type: field.type, nullable: field.nullable });

/**
 * A literal from its value at rest (see expression.ts); date and timestamp also from ISO text, integer and int64 from
 * whole numbers and bigints. -0 becomes 0.
 * @throws EXPRESSION_TYPE when it is no value of that type, VALUE_OUT_OF_RANGE when it is beyond it
 */
export function literal(value: string | number | bigint | boolean | null, type: ColumnType): Expression {
  return { op: 'literal', value: value === null ? null : restingValue(value, type.kind), type, nullable: value === null };
}

function restingValue(value: string | number | bigint | boolean, kind: TypeKind): string | number | boolean {
  const refuse = (): never => wrong(`${typeof value === 'string' ? `'${value}'` : value} is not a value of type ${kind}`);
  switch (kind) {
    case 'bool':
      return typeof value === 'boolean' ? value : refuse();
    case 'utf8':
      return typeof value === 'string' && value.isWellFormed() ? value : refuse();
    case 'float64':
      if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value);
      return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? value : refuse();
    case 'int32':
      if (typeof value !== 'number' || !Number.isInteger(value)) return refuse();
      return (value | 0) === value ? value + 0 : beyond(String(value), kind);
    case 'date': {
      const days = typeof value === 'string' ? parseDate(value) : value;
      return typeof days === 'number' && (days | 0) === days ? days + 0 : refuse();
    }
    case 'timestamp': {
      const micros = typeof value === 'string' ? parseTimestamp(value) : null;
      return micros === null ? String(checkInt64(wholeLiteral(value) ?? refuse(), String(value))) : String(checkInt64(micros, String(value)));
    }
    case 'int64':
      return String(checkInt64(wholeLiteral(value) ?? refuse(), String(value)));
    case 'integer': {
      const whole = wholeLiteral(value) ?? refuse();
      checkInteger(Number(whole), String(whole));
      return String(whole);
    }
  }
}

const wholeLiteral = (value: string | number | bigint | boolean): bigint | null => {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : null;
  return typeof value === 'string' && /^[+-]?\d+$/.test(value) ? BigInt(value.replace('+', '')) : null;
};

/**
 * A call with its types resolved: arguments are widened where the function wants one type (int32 -> integer -> int64 ->
 * float64, date -> timestamp). Times may be compared with their ISO text as a utf8 literal.
 * @param target  for `cast`: the type to cast to
 * @throws        EXPRESSION_TYPE when there is no such function, or not for these types
 */
export function call(fn: string, args: readonly Expression[], target?: ColumnType): Expression {
  const signature = rowOf(fn).resolve(fn, args, target);
  return { op: 'call', fn, args: signature.args, type: signature.type, nullable: signature.nullable };
}

export const rowOf = (fn: string): FunctionRow => (Object.hasOwn(functions, fn) ? functions[fn]! : wrong(`there is no function ${fn}`));

/** The expression as another type, literals at once. */
function castTo(expression: Expression, type: ColumnType): Expression {
  if (expression.type.kind === type.kind) return expression;
  if (expression.op === 'literal') {
    const value = literalValue(expression);
    return literal(value === null ? null : castValue(value, expression.type.kind, type.kind), type);
  }
  return { op: 'call', fn: 'cast', args: [expression], type, nullable: expression.nullable };
}

/** All as the one type they can be widened to. */
function unify(fn: string, args: readonly Expression[]): { args: Expression[]; type: ColumnType } {
  const time = args.find((arg) => arg.type.kind === 'date' || arg.type.kind === 'timestamp')?.type;
  const read = args.map((arg) =>
    time && arg.op === 'literal' && typeof arg.value === 'string' && arg.type.kind === 'utf8' ? literal(arg.value, time) : arg,
  );
  let type = read[0]!.type;
  for (const arg of read) type = commonType(type, arg.type) ?? wrong(`${fn} cannot take ${typesOf(args)}: cast one of them`);
  return { args: read.map((arg) => castTo(arg, type)), type };
}

function wantCount(fn: string, args: readonly Expression[], least: number, most: number = least): void {
  if (args.length < least || args.length > most)
    wrong(
      `${fn} takes ${least === most ? least : `${least} to ${most === Number.POSITIVE_INFINITY ? 'any number of' : most}`} arguments, not ${args.length}`,
    );
}

/** The arguments have just these kinds; a kind of a list stands for any of it. */
function want(fn: string, args: readonly Expression[], ...kinds: readonly (readonly TypeKind[])[]): void {
  wantCount(fn, args, kinds.length);
  args.forEach((arg, k) => {
    if (!kinds[k]!.includes(arg.type.kind)) wrong(`${fn} takes (${kinds.map((kind) => kind.join(' or ')).join(', ')}), not (${typesOf(args)})`);
  });
}

/** A function of fixed kinds. */
const fixed =
  (type: ColumnType, ...kinds: readonly (readonly TypeKind[])[]): Described['resolve'] =>
  (fn, args) => {
    want(fn, args, ...kinds);
    return { args, type, nullable: anyNullable(args) };
  };

const text: readonly TypeKind[] = ['utf8'];
const moment: readonly TypeKind[] = ['timestamp'];
const time: readonly TypeKind[] = ['date', 'timestamp'];
const always = (): boolean => true;
const never = (): boolean => false;

// Comparison

type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte';
const holds: Readonly<Record<Comparison, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
};
const operators: Readonly<Record<Comparison, string>> = { eq: '===', ne: '!==', lt: '<', lte: '<=', gt: '>', gte: '>=' };

/** JavaScript for `a fn b` on values of one kind that are there. `plainRight`: b is known not to be NaN. */
function compareCode(fn: Comparison, kind: TypeKind, a: Lanes, b: Lanes, plainRight = false): string {
  const [x, y] = [a[0]!, b[0]!];
  if (kind === 'utf8') {
    if (fn === 'eq' || fn === 'ne') return `${fn === 'ne' ? '!' : ''}$equalText(${a.join(', ')}, ${b.join(', ')})`;
    return `$compareText(${a.join(', ')}, ${b.join(', ')}) ${operators[fn]} 0`;
  }
  if (kind === 'int64' || kind === 'timestamp') {
    const [ah, bh] = [a[1]!, b[1]!];
    if (fn === 'eq') return `(${x} === ${y} && ${ah} === ${bh})`;
    if (fn === 'ne') return `(${x} !== ${y} || ${ah} !== ${bh})`;
    return `(${ah} ${operators[fn][0]} ${bh} || (${ah} === ${bh} && (${x} >>> 0) ${operators[fn]} (${y} >>> 0)))`;
  }
  if (kind !== 'float64') return `${x} ${operators[fn]} ${y}`;
  switch (fn) {
    case 'eq':
      return plainRight ? `${x} === ${y}` : `(${x} === ${y} || (${x} !== ${x} && ${y} !== ${y}))`;
    case 'lt':
      return plainRight ? `${x} < ${y}` : `(${x} < ${y} || (${y} !== ${y} && ${x} === ${x}))`;
    case 'lte':
      return plainRight ? `${x} <= ${y}` : `(${x} <= ${y} || ${y} !== ${y})`;
    case 'ne':
      return `!(${compareCode('eq', kind, a, b, plainRight)})`;
    case 'gt':
      return `!(${compareCode('lte', kind, a, b, plainRight)})`;
    case 'gte':
      return `!(${compareCode('lt', kind, a, b, plainRight)})`;
  }
}

const isPlain = (expression: Expression): boolean => expression.op === 'literal' && expression.value !== 'NaN';

const comparison = (fn: Comparison, doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    wantCount(name, args, 2);
    const unified = unify(name, args);
    return { args: unified.args, type: bool, nullable: anyNullable(args) };
  },
  interpret: ([a, b]) => holds[fn](compareValues(a!, b!)),
  guarded: (node) => node.args[0]!.type.kind === 'utf8',
  emit: (_, [a, b], node) => [compareCode(fn, node.args[0]!.type.kind, a!, b!, isPlain(node.args[1]!))],
});

// Arithmetic

type Operation = 'add' | 'sub' | 'mul' | 'mod';
const signs: Readonly<Record<Operation, string>> = { add: '+', sub: '-', mul: '*', mod: '%' };
const onNumbers: Readonly<Record<Operation, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  mod: (a, b) => a % b,
};
const onBigInts: Readonly<Record<Operation, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  mod: (a, b) => a % b,
};

/** A whole number as the value of a kind. @throws VALUE_OUT_OF_RANGE */
function fit(value: bigint, kind: TypeKind, what: () => string): number | bigint {
  if (kind === 'int32') return BigInt.asIntN(32, value) === value ? Number(value) : beyond(what(), kind);
  if (kind === 'integer') return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : beyond(what(), kind);
  return value >= int64Min && value <= int64Max ? value : beyond(what(), kind);
}

export function divisionByZero(what: string): never {
  throw new SluiceError('DIVISION_BY_ZERO', { what });
}

/** Sum or difference of two int64 in lanes, with the check that it does not wrap. */
function emitLanesSum(code: Code, minus: boolean, a: Lanes, b: Lanes, kind: TypeKind): Lanes {
  const [al, ah, bl, bh] = [a[0]!, a[1]!, b[0]!, b[1]!];
  const sign = minus ? '-' : '+';
  const low = code.hold(`(${al} ${sign} ${bl}) | 0`);
  const carry = minus ? `(${al} >>> 0) < (${bl} >>> 0)` : `(${low} >>> 0) < (${al} >>> 0)`;
  const high = code.hold(`(${ah} ${sign} ${bh} ${sign} (${carry} ? 1 : 0)) | 0`);
  const wraps = minus ? `((${ah} ^ ${bh}) & (${ah} ^ ${high}))` : `((${ah} ^ ${high}) & (${bh} ^ ${high}))`;
  code.line(`if (${wraps} < 0) $beyondLanes(${al}, ${ah}, '${sign}', ${bl}, ${bh}, '${kind}');`);
  return [low, high];
}

/** The error of a sum that does not fit; a kernel. */
export const beyondLanes = (aLow: number, aHigh: number, sign: string, bLow: number, bHigh: number, kind: string): never =>
  beyond(`${lanesToBigInt(aLow, aHigh)} ${sign} ${lanesToBigInt(bLow, bHigh)}`, kind);

function emitArithmetic(code: Code, fn: Operation, kind: TypeKind, a: Lanes, b: Lanes): Lanes {
  const [x, y] = [a[0]!, b[0]!];
  const sign = signs[fn];
  if (kind === 'float64') return [`${x} ${sign} ${y}`];
  if (kind === 'int64') {
    if (fn === 'add' || fn === 'sub') return emitLanesSum(code, fn === 'sub', a, b, kind);
    if (fn === 'mod') code.line(`if ((${y} | ${b[1]}) === 0) $divisionByZero('mod');`);
    code.line(`$${fn === 'mul' ? 'multiplyLanes' : 'remainderLanes'}(${scratch}, ${a.join(', ')}, ${b.join(', ')});`);
    return takeScratch(code);
  }
  if (fn === 'mod') {
    code.line(`if (${y} === 0) $divisionByZero('mod');`);
    return [`${x} % ${y} + 0`];
  }
  const result = code.hold(`${x} ${sign} ${y}${fn === 'mul' ? ' + 0' : ''}`);
  const outside = kind === 'int32' ? `${result} !== (${result} | 0)` : `!(${result} <= 9007199254740991 && ${result} >= -9007199254740991)`;
  code.line(`if (${outside}) $beyond(${x} + ' ${sign} ' + ${y}, '${kind}');`);
  return [result];
}

function numericArgs(fn: string, args: readonly Expression[], count: number): { args: Expression[]; type: ColumnType } {
  wantCount(fn, args, count);
  if (!args.every((arg) => isNumeric(arg.type))) wrong(`${fn} takes numbers, not ${typesOf(args)}`);
  return unify(fn, args);
}

const arithmetic = (fn: Operation, doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    const unified = numericArgs(name, args, 2);
    return { ...unified, nullable: anyNullable(args) };
  },
  interpret([a, b], { type }) {
    if (type.kind === 'float64') return onNumbers[fn](a as number, b as number);
    if (fn === 'mod' && Number(b) === 0) divisionByZero('mod');
    return fit(onBigInts[fn](BigInt(a!), BigInt(b!)), type.kind, () => `${a} ${signs[fn]} ${b}`);
  },
  guarded: (node) => node.type.kind !== 'float64',
  emit: (code, [a, b], node) => emitArithmetic(code, fn, node.type.kind, a!, b!),
});

const zero = (kind: TypeKind): Lanes => (kind === 'int64' ? ['0', '0'] : ['0']);

const unary = (doc: string, ofNumber: (a: number) => number, ofBigInt: (a: bigint) => bigint, emit: Strict['emit']): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    const unified = numericArgs(name, args, 1);
    return { ...unified, nullable: anyNullable(args) };
  },
  interpret: ([a], { type }) => (type.kind === 'float64' ? ofNumber(a as number) : fit(ofBigInt(BigInt(a!)), type.kind, () => `0 - ${a}`)),
  guarded: (node) => node.type.kind !== 'float64',
  emit,
});

// Text

/** utf8 in, utf8 out. */
const onText = (doc: string, ofString: (value: string) => string, emit: Strict['emit']): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(utf8, text),
  interpret: ([a]) => ofString(a as string),
  guarded: always,
  emit,
});

const inText = (doc: string, ofStrings: (value: string, part: string) => boolean, kernel: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(bool, text, text),
  interpret: ([a, b]) => ofStrings(a as string, b as string),
  guarded: always,
  emit: (_, [a, b]) => [`${kernel}(${a!.join(', ')}, ${b!.join(', ')})`],
});

const spaces = /^\p{Zs}+|\p{Zs}+$/gu;

/** The literal text of an argument. */
function literalText(fn: string, argument: Expression): string {
  if (argument.op !== 'literal' || typeof argument.value !== 'string' || argument.type.kind !== 'utf8')
    return wrong(`${fn} takes a text written down, not an expression`);
  return argument.value;
}

// Time

/** A field of a date, or of a timestamp's day. */
const dayField = (doc: string, ofDays: (days: number) => number, kernel: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(int32, time),
  interpret: ([a], node) => ofDays(node.args[0]!.type.kind === 'date' ? (a as number) : daysOf(a as bigint)),
  guarded: never,
  emit: (_, [a], node) => [`${kernel}(${node.args[0]!.type.kind === 'date' ? a![0] : `$floorLanes(${a!.join(', ')}, 86400000000)`})`],
});

const floorTo = (micros: bigint, unit: bigint): bigint => micros - (((micros % unit) + unit) % unit);
const daysOf = (micros: bigint): number => Number(floorTo(micros, microsPerDay) / microsPerDay);

/** The reference of truncate, and the kernel for moments beyond 2^53 microseconds. @throws VALUE_OUT_OF_RANGE */
export function truncateMicros(micros: bigint, unit: TruncateUnit): bigint {
  const fine = unitMicros(unit);
  const start = fine !== null ? floorTo(micros, BigInt(fine)) : BigInt(truncateDays(daysOf(micros), unit)) * microsPerDay;
  return checkInt64(start, `the ${unit} of ${formatTimestamp(micros)}`);
}

const shift = (fn: 'add' | 'sub', doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    want(name, args, moment, ['int32', 'integer', 'int64']);
    return { args: [args[0]!, castTo(args[1]!, int64)], type: timestamp, nullable: anyNullable(args) };
  },
  interpret: ([a, b]) => fit(onBigInts[fn](a as bigint, b as bigint), 'timestamp', () => `${a} ${signs[fn]} ${b} us`),
  guarded: always,
  emit: (code, [a, b]) => emitLanesSum(code, fn === 'sub', a!, b!, 'timestamp'),
});

// Logic and choice

/** `and`: decided by false, `or`: by true. The second argument is not evaluated when the first decides. */
const logic = (fn: 'and' | 'or', doc: string): Own => ({
  doc,
  nulls: 'own',
  resolve: fixed(bool, ['bool'], ['bool']),
  interpret(value) {
    const decides = fn === 'or';
    const left = value(0);
    if (left === decides) return decides;
    const right = value(1);
    return right === decides ? decides : left === null || right === null ? null : !decides;
  },
  emit(code, node) {
    const left = code.value(node.args[0]!);
    const a = left.lanes[0]!;
    if (isCheap(node.args[1]!)) {
      const right = code.value(node.args[1]!);
      const b = right.lanes[0]!;
      if (left.isNull === 'false' && right.isNull === 'false')
        return { lanes: [code.hold(fn === 'and' ? `${a} && ${b}` : `${a} || ${b}`)], isNull: 'false' };
      const [an, bn] = [left.isNull, right.isNull];
      const isNull = fn === 'and' ? `(${an} || ${bn}) && (${an} || ${a}) && (${bn} || ${b})` : `(${an} || ${bn}) && !${a} && !${b}`;
      return { lanes: [code.hold(fn === 'and' ? `${a} && ${b}` : `${a} || ${b}`)], isNull: code.hold(isNull) };
    }
    const [result] = code.variables('bool') as [string];
    const [isNull] = code.variables('bool') as [string];
    code.line(`${result} = ${a}; ${isNull} = ${left.isNull};`);
    const undecided = fn === 'and' ? `if (${a} || ${left.isNull})` : `if (!${a})`;
    code.block(undecided, () => {
      const right = code.value(node.args[1]!);
      const b = right.lanes[0]!;
      const bn = right.isNull;
      if (fn === 'and') code.line(`${isNull} = (${left.isNull} && (${bn} || ${b})) || ${bn}; ${result} = ${a} && ${b};`);
      else code.line(`${isNull} = !${b} && (${left.isNull} || ${bn}); ${result} = ${b};`);
    });
    return { lanes: [result], isNull };
  },
});

/** Cannot throw, is no text and no function: as cheap to evaluate as to branch around. */
function isCheap(expression: Expression): boolean {
  if (expression.op === 'column' || expression.op === 'literal') return true;
  if (expression.op === 'udf') return false;
  const row = rowOf(expression.fn);
  return (row.nulls === 'own' ? expression.fn !== 'when' && expression.fn !== 'in' : !row.guarded(expression)) && expression.args.every(isCheap);
}

/** Assigns the first candidate that `accepts` into variables, evaluating as few as needed. */
function emitFirst(code: Code, kind: TypeKind, emit: (to: Lanes, isNull: string) => void): Emitted {
  const lanes = code.variables(kind);
  const [isNull] = code.variables('bool') as [string];
  emit(lanes, isNull);
  return { lanes, isNull };
}

/** The one table. */
export const functions: Readonly<Record<string, FunctionRow>> = {
  eq: comparison('eq', 'Equal; NaN equals NaN, -0 equals 0.'),
  ne: comparison('ne', 'Not equal.'),
  lt: comparison('lt', 'Below, in the one order of values: NaN above all, text by its UTF-8 bytes.'),
  lte: comparison('lte', 'Below or equal.'),
  gt: comparison('gt', 'Above.'),
  gte: comparison('gte', 'Above or equal.'),
  between: {
    doc: 'Not below the second and not above the third; three-valued, as the two comparisons joined by and.',
    nulls: 'own',
    resolve(name, args) {
      wantCount(name, args, 3);
      return { args: unify(name, args).args, type: bool, nullable: anyNullable(args) };
    },
    interpret(value) {
      const [x, low, high] = [value(0), value(1), value(2)];
      if (x === null) return null;
      const above = low === null ? null : compareValues(x, low) >= 0;
      const below = high === null ? null : compareValues(x, high) <= 0;
      return above === false || below === false ? false : above === null || below === null ? null : true;
    },
    emit(code, node) {
      const kind = node.args[0]!.type.kind;
      const [x, low, high] = node.args.map((arg) => code.value(arg)) as [Emitted, Emitted, Emitted];
      const above = code.hold(`!${x.isNull} && !${low.isNull} && ${compareCode('gte', kind, x.lanes, low.lanes, isPlain(node.args[1]!))}`);
      const below = code.hold(`!${x.isNull} && !${high.isNull} && ${compareCode('lte', kind, x.lanes, high.lanes, isPlain(node.args[2]!))}`);
      const result = code.hold(`${above} && ${below}`);
      if (x.isNull === 'false' && low.isNull === 'false' && high.isNull === 'false') return { lanes: [result], isNull: 'false' };
      const isNull = code.hold(`${x.isNull} || ((${low.isNull} || ${high.isNull}) && (${low.isNull} || ${above}) && (${high.isNull} || ${below}))`);
      return { lanes: [result], isNull };
    },
  },
  in: {
    doc: 'Equal to one of the others; null when to none of them and one is null, false over none at all.',
    nulls: 'own',
    resolve(name, args) {
      wantCount(name, args, 1, Number.POSITIVE_INFINITY);
      return { args: unify(name, args).args, type: bool, nullable: anyNullable(args) };
    },
    interpret(value, node) {
      const x = value(0);
      const others = node.args.slice(1).map((_, k) => value(k + 1));
      if (x === null) return null;
      if (others.some((other) => other !== null && compareValues(x, other) === 0)) return true;
      return others.includes(null) ? null : false;
    },
    emit(code, node) {
      const kind = node.args[0]!.type.kind;
      const x = code.value(node.args[0]!);
      const others = node.args.slice(1).map((arg) => ({ ...code.value(arg), plain: isPlain(arg) }));
      const found = others.map((other) => `(!${other.isNull} && ${compareCode('eq', kind, x.lanes, other.lanes, other.plain)})`);
      const result = code.hold(`!${x.isNull} && (${found.length === 0 ? 'false' : found.join(' || ')})`);
      const unknown = others.map((other) => other.isNull).filter((isNull) => isNull !== 'false');
      const isNull = unknown.length === 0 ? x.isNull : code.hold(`${x.isNull} || (!${result} && (${unknown.join(' || ')}))`);
      return { lanes: [result], isNull };
    },
  },
  isNull: {
    doc: 'True where the argument is null; never null itself.',
    nulls: 'own',
    resolve(name, args) {
      wantCount(name, args, 1);
      return { args, type: bool, nullable: false };
    },
    interpret: (value) => value(0) === null,
    emit: (code, node) => ({ lanes: [code.value(node.args[0]!).isNull], isNull: 'false' }),
  },
  isNotNull: {
    doc: 'True where the argument is there; never null itself.',
    nulls: 'own',
    resolve(name, args) {
      wantCount(name, args, 1);
      return { args, type: bool, nullable: false };
    },
    interpret: (value) => value(0) !== null,
    emit: (code, node) => ({ lanes: [code.hold(`!${code.value(node.args[0]!).isNull}`)], isNull: 'false' }),
  },
  coalesce: {
    doc: 'The first argument that is not null; those behind it are not evaluated.',
    nulls: 'own',
    resolve(name, args) {
      wantCount(name, args, 1, Number.POSITIVE_INFINITY);
      return { ...unify(name, args), nullable: args.every((arg) => arg.nullable) };
    },
    interpret(value, node) {
      for (let k = 0; k < node.args.length; k++) {
        const x = value(k);
        if (x !== null) return x;
      }
      return null;
    },
    emit(code, node) {
      const first = code.value(node.args[0]!);
      if (first.isNull === 'false' || node.args.length === 1) return first;
      return emitFirst(code, node.type.kind, (to, isNull) => {
        const attempt = ({ lanes, isNull: missing }: Emitted, k: number): void => {
          code.assign(to, lanes);
          code.line(`${isNull} = ${missing};`);
          if (missing !== 'false' && k + 1 < node.args.length) code.block(`if (${missing})`, () => attempt(code.value(node.args[k + 1]!), k + 1));
        };
        attempt(first, 0);
      });
    },
  },
  cast: {
    doc: 'The value as another type; one that does not fit is VALUE_OUT_OF_RANGE.',
    nulls: 'strict',
    resolve(name, args, target) {
      wantCount(name, args, 1);
      const [from] = args as [Expression];
      if (target === undefined) return wrong('cast needs the type to cast to');
      if (!canCast(from.type, target)) wrong(`${from.type.kind} cannot be cast to ${target.kind}`);
      return { args, type: target, nullable: from.nullable };
    },
    interpret: ([a], node) => castValue(a!, node.args[0]!.type.kind, node.type.kind),
    guarded: (node) => !isFreeCast(node.args[0]!.type.kind, node.type.kind),
    emit: (code, [a], node) => emitCast(code, a!, node.args[0]!.type.kind, node.type.kind),
  },
  and: logic('and', 'Three-valued; the second argument is not evaluated when the first is false.'),
  or: logic('or', 'Three-valued; the second argument is not evaluated when the first is true.'),
  not: {
    doc: 'The opposite; null stays null.',
    nulls: 'strict',
    resolve: fixed(bool, ['bool']),
    interpret: ([a]) => !a,
    guarded: never,
    emit: (_, [a]) => [`!${a![0]}`],
  },
  add: arithmetic('add', 'Sum in the wider type; a whole number beyond it is VALUE_OUT_OF_RANGE.'),
  sub: arithmetic('sub', 'Difference in the wider type.'),
  mul: arithmetic('mul', 'Product in the wider type.'),
  div: {
    doc: 'Quotient as float64, of whole numbers too; by zero it is an infinity or NaN.',
    nulls: 'strict',
    resolve(name, args) {
      const unified = numericArgs(name, args, 2);
      return { args: unified.args.map((arg) => castTo(arg, float64)), type: float64, nullable: anyNullable(args) };
    },
    interpret: ([a, b]) => (a as number) / (b as number),
    guarded: never,
    emit: (_, [a, b]) => [`${a![0]} / ${b![0]}`],
  },
  mod: arithmetic('mod', 'Remainder with the sign of the first; of whole numbers by zero DIVISION_BY_ZERO, of float64 NaN.'),
  neg: unary(
    'The value with the other sign.',
    (a) => -a,
    (a) => -a,
    (code, [a], { type }) => (type.kind === 'float64' ? [`-${a![0]}`] : emitArithmetic(code, 'sub', type.kind, zero(type.kind), a!)),
  ),
  abs: unary(
    'The value without its sign.',
    Math.abs,
    (a) => (a < 0n ? -a : a),
    (code, [a], { type }) => {
      if (type.kind !== 'int64') {
        const result = code.hold(`Math.abs(${a![0]})`);
        if (type.kind === 'int32') code.line(`if (${result} > 2147483647) $beyond('0 - ' + ${a![0]}, 'int32');`);
        return [result];
      }
      const lanes = code.variables('int64');
      code.assign(lanes, a!);
      code.block(`if (${a![1]} < 0)`, () => code.assign(lanes, emitLanesSum(code, true, ['0', '0'], a!, 'int64')));
      return lanes;
    },
  ),
  round: {
    doc: 'To so many decimals (0 to 15), halves away from zero; whole numbers stay.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1, 2);
      const [x, given] = args as [Expression, Expression?];
      const digits = given === undefined ? 0 : given.op === 'literal' && isWhole(given.type) ? Number(given.value) : Number.NaN;
      if (!isNumeric(x.type)) wrong(`round takes a number, not ${x.type.kind}`);
      if (!(digits >= 0 && digits <= 15)) wrong('round takes 0 to 15 decimals, written down');
      return { args: [x, literal(digits, int32)], type: x.type, nullable: x.nullable };
    },
    interpret: ([a, digits], { type }) => (type.kind === 'float64' ? roundAway(a as number, 10 ** Number(digits)) : a!),
    guarded: never,
    emit: (_, [a, digits], { type }) => (type.kind === 'float64' ? [`$roundAway(${a![0]}, ${10 ** Number(digits![0])})`] : a!),
  },
  lower: onText('In lower case, code point by code point.', lowerText, (code, [a]) =>
    takeText(code, `$changeCase(${arena}, ${a!.join(', ')}, false);`),
  ),
  upper: onText('In upper case, code point by code point.', upperText, (code, [a]) =>
    takeText(code, `$changeCase(${arena}, ${a!.join(', ')}, true);`),
  ),
  trim: onText(
    "Without Unicode's space separators at both ends; tabs and line ends stay.",
    (value) => value.replace(spaces, ''),
    (code, [a]) => {
      const start = code.hold(`$trimStart(${a!.join(', ')})`);
      return [a![0]!, start, `$trimEnd(${a![0]}, ${start}, ${a![2]})`];
    },
  ),
  length: {
    doc: 'Number of code points.',
    nulls: 'strict',
    resolve: fixed(int32, text),
    interpret: ([a]) => [...(a as string)].length,
    guarded: always,
    emit: (_, [a]) => [`$codePoints(${a!.join(', ')})`],
  },
  startsWith: inText('Begins with the other text.', (value, part) => value.startsWith(part), '$startsWith'),
  endsWith: inText('Ends with the other text.', (value, part) => value.endsWith(part), '$endsWith'),
  includes: inText('Has the other text in it.', (value, part) => value.includes(part), '$includes'),
  like: {
    doc: "Fits SQL's pattern: % any text, _ one code point; there is no escape. The pattern is written down.",
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, text, text);
      literalText(name, args[1]!);
      return { args, type: bool, nullable: args[0]!.nullable };
    },
    interpret([a, pattern]) {
      const escaped = (pattern as string).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
      return new RegExp(`^${escaped.replaceAll('%', '.*').replaceAll('_', '.')}$`, 'su').test(a as string);
    },
    guarded: always,
    emit: (code, [a], node) => [`${code.constant(likeMatcher(literalText('like', node.args[1]!)))}(${a!.join(', ')})`],
  },
  slice: {
    doc: 'Code points from start (0 = first) up to end, not included; negative ones count from the end; without end, to the end.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 2, 3);
      want(name, args, text, ...args.slice(1).map(() => ['int32'] as const));
      return { args, type: utf8, nullable: anyNullable(args) };
    },
    interpret: ([a, start, end]) => [...(a as string)].slice(start as number, end as number | undefined).join(''),
    guarded: always,
    emit(code, [a, from, to]) {
      const [bytes, start, end] = a as readonly [string, string, string];
      const first = code.hold(`$positionOf(${a!.join(', ')}, ${from![0]})`);
      return [bytes, first, to === undefined ? end : `Math.max(${first}, $positionOf(${bytes}, ${start}, ${end}, ${to[0]}))`];
    },
  },
  concat: {
    doc: 'The texts one after the other; null when one is.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1, Number.POSITIVE_INFINITY);
      return fixed(utf8, ...args.map(() => text))(name, args, undefined);
    },
    interpret: (values) => values.join(''),
    guarded: always,
    emit: (code, args) => takeText(code, args.map((arg) => `${arena}.put(${arg.join(', ')});`).join(' ')),
  },
  truncate: {
    doc: `The start of the ${truncateUnits.join(', ')} it is in; UTC, weeks start on Monday. A date takes units of a day and more.`,
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, time, text);
      const unit = literalText(name, args[1]!) as TruncateUnit;
      const fits = truncateUnits.includes(unit) && (args[0]!.type.kind === 'timestamp' || unitMicros(unit) === null);
      if (!fits) wrong(`a ${args[0]!.type.kind} cannot be truncated to '${unit}'`);
      return { args, type: args[0]!.type, nullable: args[0]!.nullable };
    },
    interpret: ([a, unit]) => (typeof a === 'bigint' ? truncateMicros(a, unit as TruncateUnit) : truncateDays(a as number, unit as TruncateUnit)),
    guarded: always,
    emit(code, [a], node) {
      const unit = literalText('truncate', node.args[1]!) as TruncateUnit;
      if (node.type.kind === 'date') return [`$truncateDays(${a![0]}, '${unit}')`];
      const fine = unitMicros(unit);
      if (fine === null) code.line(`$midnight(${scratch}, $truncateDays($floorLanes(${a!.join(', ')}, 86400000000), '${unit}'));`);
      else {
        const start = code.hold(`Math.floor((${a![1]} * 4294967296 + (${a![0]} >>> 0)) / ${fine}) * ${fine}`);
        code.line(`if (Number.isSafeInteger(${start})) $putDouble(${scratch}, ${start});`);
        code.line(`else $putInt64(${scratch}, $truncateMicros($lanesToBigInt(${a!.join(', ')}), '${unit}'));`);
      }
      return takeScratch(code);
    },
  },
  plus: shift('add', 'So many microseconds later.'),
  minus: shift('sub', 'So many microseconds earlier.'),
  millisSince: {
    doc: 'Whole milliseconds from the second to the first, rounded towards zero.',
    nulls: 'strict',
    resolve(name, args) {
      const unified = args.length === 2 ? unify(name, args).args : args;
      return { ...fixed(integer, moment, moment)(name, unified, undefined) };
    },
    interpret: ([a, b]) => millisOf((a as bigint) - (b as bigint)),
    guarded: always,
    emit: (_, [a, b]) => [`$millisBetween(${a!.join(', ')}, ${b!.join(', ')})`],
  },
  epochMillis: {
    doc: 'Milliseconds since 1970-01-01T00:00Z, rounded down.',
    nulls: 'strict',
    resolve: fixed(integer, moment),
    interpret: ([a]) => checkInteger(Number(floorTo(a as bigint, 1000n) / 1000n), `${a} us`),
    guarded: always,
    emit: (_, [a]) => [`$floorLanes(${a!.join(', ')}, 1000)`],
  },
  date: {
    doc: 'The day, in UTC.',
    nulls: 'strict',
    resolve: fixed(date, moment),
    interpret: ([a]) => daysOf(a as bigint),
    guarded: never,
    emit: (_, [a]) => [`$floorLanes(${a!.join(', ')}, 86400000000)`],
  },
  hour: {
    doc: 'The hour of the day in UTC, 0 to 23.',
    nulls: 'strict',
    resolve: fixed(int32, moment),
    interpret: ([a]) => Number((((((a as bigint) / 1n) % microsPerDay) + microsPerDay) % microsPerDay) / 3_600_000_000n),
    guarded: never,
    emit: (code, [a]) => {
      const hours = code.hold(`$floorLanes(${a!.join(', ')}, 3600000000)`);
      return [`${hours} - Math.floor(${hours} / 24) * 24`];
    },
  },
  year: dayField('The year, 0 = 1 BC.', yearOf, '$yearOf'),
  month: dayField('The month, 1 to 12.', monthOf, '$monthOf'),
  day: dayField('The day of the month, 1 to 31.', dayOf, '$dayOf'),
  when: {
    doc: 'Condition, value, condition, value, ..., otherwise: the value of the first condition that is true; no other is evaluated.',
    nulls: 'own',
    resolve(name, args) {
      if (args.length < 3 || args.length % 2 === 0) wrong('when takes pairs of condition and value, then the value otherwise');
      const conditions = args.filter((_, k) => k % 2 === 0 && k < args.length - 1);
      if (conditions.some((condition) => condition.type.kind !== 'bool')) wrong(`a condition of when must be a bool, not ${typesOf(conditions)}`);
      const values = args.filter((_, k) => k % 2 === 1 || k === args.length - 1);
      const unified = unify(name, values);
      const ordered = unified.args.flatMap((value, k) => (k < conditions.length ? [conditions[k]!, value] : [value]));
      return { args: ordered, type: unified.type, nullable: anyNullable(values) };
    },
    interpret(value, node) {
      const last = node.args.length - 1;
      for (let k = 0; k < last; k += 2) if (value(k) === true) return value(k + 1);
      return value(last);
    },
    emit(code, node) {
      const last = node.args.length - 1;
      return emitFirst(code, node.type.kind, (to, isNull) => {
        const give = (k: number): void => {
          const chosen = code.value(node.args[k]!);
          code.assign(to, chosen.lanes);
          code.line(`${isNull} = ${chosen.isNull};`);
        };
        const attempt = (k: number): void => {
          if (k === last) {
            give(k);
            return;
          }
          const condition = code.value(node.args[k]!);
          code.block(`if (${condition.lanes[0]})`, () => give(k + 1));
          code.block('else', () => attempt(k + 2));
        };
        attempt(0);
      });
    },
  },
};
