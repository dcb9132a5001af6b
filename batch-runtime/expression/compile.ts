/**
 * Makes one fused loop of a list of expressions by `new Function`: no object per row, nulls tested only for columns that
 * have some in this batch, int64 in two lanes, text as bytes. What depends on one dictionary-encoded column only is worked
 * out once per entry. A loop is generated when a batch of a new shape (which columns have nulls, which a dictionary) first
 * comes. Nothing of a user's text ever becomes code: literals and functions are passed in by reference. Called by filter,
 * project and whoever evaluates keys.
 */
import { strict as assert } from 'node:assert';
import { type Batch, type Column, type ColumnType, formOf, type Schema, type TypeKind } from '../batch/batch.ts';
import { bitmapBytes } from '../batch/bitmap.ts';
import { layoutOf, makeColumn, nullColumn } from '../batch/column.ts';
import { Decimal, narrowed, putWide, wideAt } from '../batch/decimal.ts';
import { highLaneOf, lanesToBigInt, lowLaneOf } from '../batch/lanes.ts';
import { rowValue } from '../batch/rows.ts';
import { dateOf, instantOf } from '../batch/temporal.ts';
import type { UserFunction } from '../graph/plan.ts';
import { dayOf, monthOf, truncateDays, yearOf } from './calendar.ts';
import { castBytes, castDecimal, decimalDouble, decimalFrom, midnight, textOf, wholeDecimal } from './cast.ts';
import { arena, type Code, type Emitted, type Kernel, type Lanes, nullLanes, takeText } from './code.ts';
import { type Expression, hasFunction } from './expression.ts';
import { beyondLanes, divisionByZero } from './functions/arithmetic.ts';
import { addDecimals, beyondDecimal, multiplyDecimals, remainderDecimals, subtractDecimals } from './functions/decimals.ts';
import { rowOf } from './functions/table.ts';
import { truncateMicros } from './functions/time.ts';
import { lift } from './lift.ts';
import { absent, Memo, there, unset } from './memo.ts';
import {
  beyond,
  checkInteger,
  floorLanes,
  millisBetween,
  multiplyLanes,
  putDouble,
  putInt64,
  remainderLanes,
  roundAway,
  roundEven,
} from './numbers.ts';
import {
  changeCase,
  codePoints,
  compareText,
  decodeText,
  encodeText,
  endsWith,
  equalText,
  includes,
  positionOf,
  startsWith,
  TextArena,
  trimEnd,
  trimStart,
} from './text.ts';
import { acceptResult, functionThrew, rowOfValue } from './udf.ts';
import { isNumeric, type Literal, literalValue, type Udf } from './values.ts';

/** What any generated code may call, as `$name`; a function of the table brings its own by `kernel`. */
const kernels: Readonly<Record<string, unknown>> = {
  acceptResult,
  addDecimals,
  beyond,
  beyondDecimal,
  beyondLanes,
  castBytes,
  castDecimal,
  changeCase,
  checkInteger,
  closeBits,
  codePoints,
  compareText,
  dateOf,
  dayOf,
  Decimal,
  decimalDouble,
  decimalFrom,
  decodeText,
  divisionByZero,
  empty: new Uint8Array(0),
  endsWith,
  equalText,
  floorLanes,
  functionThrew,
  highLaneOf,
  includes,
  instantOf,
  lanesToBigInt,
  lowLaneOf,
  makeColumn,
  midnight,
  millisBetween,
  monthOf,
  multiplyDecimals,
  multiplyLanes,
  narrowed,
  positionOf,
  putDouble,
  putInt64,
  putWide,
  remainderDecimals,
  remainderLanes,
  roundAway,
  roundEven,
  rowValue,
  startsWith,
  subtractDecimals,
  TextArena,
  textOf,
  trimEnd,
  trimStart,
  truncateDays,
  truncateMicros,
  wholeDecimal,
  wideAt,
  yearOf,
};

/** Zeroes the bits behind the last row. */
function closeBits(bitmap: Uint8Array, length: number): Uint8Array {
  if ((length & 7) !== 0) bitmap[length >> 3]! &= (1 << (length & 7)) - 1;
  return bitmap;
}

/** The values of each expression for each row. Columns that are only named are shared, not copied. */
export type Projection = (batch: Batch) => Column[];
/** Writes the numbers of the rows for which the condition is true to `selection` (as long as the batch). @returns how many */
export type Filter = (batch: Batch, selection: Int32Array) => number;

/** Expressions evaluated in one generated function; longer lists are cut, so that V8 still optimises each. */
const nodesPerLoop = 400;

/**
 * @param schema     of the batches to come
 * @param functions  the graph's, for `udf` nodes
 * @returns          a function that keeps state (memos, row numbers for errors): one per operator, not shared
 * The function throws VALUE_OUT_OF_RANGE, DIVISION_BY_ZERO, FUNCTION_THREW, ROW_TYPE. Cost: one pass over the rows.
 */
export function compileProjection(schema: Schema, expressions: readonly Expression[], functions: readonly UserFunction[] = []): Projection {
  const lifted = lift(schema, expressions, (below, args) => compileLoops(below, args, functions));
  const loops = compileLoops(lifted.schema, lifted.expressions, functions);
  return (batch) => loops(lifted.extend(batch));
}

/** As compileProjection, of expressions that are worked out row by row. */
function compileLoops(schema: Schema, expressions: readonly Expression[], functions: readonly UserFunction[]): Projection {
  const computed = expressions.filter((e) => e.op === 'call' || e.op === 'udf');
  const loops = chunks(computed).map((group) => variants(schema, group, (shape) => projectionLoop(group, shape, functions)));
  const shared = expressions.map((e) => (e.op === 'column' ? indexOf(schema, e.name) : -1));
  let rows = 0;
  return (batch) => {
    const made = loops.flatMap((loop) => loop(batch)(batch, rows) as Column[]);
    rows += batch.length;
    let next = 0;
    return expressions.map((e, k) => {
      if (e.op === 'column') return batch.columns[shared[k]!]!;
      return e.op === 'literal' ? constantColumn(e, batch.length) : made[next++]!;
    });
  };
}

/** As compileProjection, for the condition of a filter. Unknown is not true. */
export function compileFilter(schema: Schema, condition: Expression, functions: readonly UserFunction[] = []): Filter {
  assert.equal(condition.type.kind, 'bool');
  const lifted = lift(schema, [condition], (below, args) => compileLoops(below, args, functions));
  const [rest] = lifted.expressions as [Expression];
  const loop = variants(lifted.schema, [rest], (shape) => filterLoop(rest, shape, functions));
  let rows = 0;
  return (given, selection) => {
    const batch = lifted.extend(given);
    const count = loop(batch)(batch, rows, selection) as number;
    rows += batch.length;
    return count;
  };
}

function indexOf(schema: Schema, name: string): number {
  const index = schema.findIndex((field) => field.name === name);
  assert(index >= 0, `no column ${name}`);
  return index;
}

function chunks(expressions: readonly Expression[]): Expression[][] {
  const groups: Expression[][] = [];
  let nodes = nodesPerLoop;
  for (const expression of expressions) {
    const size = countNodes(expression);
    if (nodes + size > nodesPerLoop) {
      groups.push([]);
      nodes = 0;
    }
    groups.at(-1)!.push(expression);
    nodes += size;
  }
  return groups;
}
const argsOf = (e: Expression): readonly Expression[] => (e.op === 'call' || e.op === 'udf' ? e.args : []);
const countNodes = (e: Expression): number => argsOf(e).reduce((sum, arg) => sum + countNodes(arg), 1);

/** A column whose every value is the literal. */
function constantColumn(literal: Literal, length: number): Column {
  const { type } = literal;
  const value = literalValue(literal);
  if (value === null) return nullColumn(type, length);
  switch (layoutOf(type)) {
    case 'word':
      return makeColumn(type, length, new Int32Array(length).fill(value as number));
    case 'double':
      return makeColumn(type, length, new Float64Array(length).fill(Number(value)));
    case 'wide': {
      const data = new Int32Array(4 * length);
      putWide(data, 0, value as bigint);
      for (let i = 1; i < length; i++) data.copyWithin(4 * i, 0, 4);
      return makeColumn(type, length, data);
    }
    case 'bits':
      return makeColumn(type, length, closeBits(new Uint8Array(bitmapBytes(length)).fill(value ? 0xff : 0), length));
    case 'bytes': {
      const bytes = encodeText(value as string);
      const dictionary = makeColumn(type, 1, bytes, null, Int32Array.of(0, bytes.length));
      return makeColumn(type, length, new Int32Array(length), null, null, dictionary);
    }
    case 'lanes': {
      const data = new Int32Array(2 * length);
      const whole = BigInt(value);
      for (let i = 0; i < length; i++) {
        data[2 * i] = lowLaneOf(whole);
        data[2 * i + 1] = highLaneOf(whole);
      }
      return makeColumn(type, length, data);
    }
    case 'list':
    case 'struct':
      return assert.fail(`a literal of type ${type.kind}`);
  }
}

// Shapes

interface ColumnShape {
  readonly index: number;
  readonly type: ColumnType;
  readonly hasNulls: boolean;
  readonly hasDictionary: boolean;
}
type Shape = ReadonlyMap<string, ColumnShape>;
type Loop = (batch: Batch, base: number, selection?: Int32Array) => unknown;

/** One loop per shape of the columns that the expressions name. */
function variants(schema: Schema, expressions: readonly Expression[], make: (shape: Shape) => Loop): (batch: Batch) => Loop {
  const names = [...new Set(expressions.flatMap(columnsOf))];
  const indexes = names.map((name) => indexOf(schema, name));
  const loops = new Map<string, Loop>();
  return (batch) => {
    let key = '';
    for (const index of indexes) {
      const { validity, dictionary } = batch.columns[index]!;
      key += dictionary === null ? (validity === null ? 'a' : 'b') : validity === null ? 'c' : 'd';
    }
    let loop = loops.get(key);
    if (loop === undefined) {
      const shape = names.map((name, k): [string, ColumnShape] => {
        const { validity, dictionary, type } = batch.columns[indexes[k]!]!;
        return [name, { index: indexes[k]!, type, hasNulls: validity !== null, hasDictionary: dictionary !== null }];
      });
      loop = make(new Map(shape));
      loops.set(key, loop);
    }
    return loop;
  };
}

function columnsOf(expression: Expression): string[] {
  return expression.op === 'column' ? [expression.name] : [...new Set(argsOf(expression).flatMap(columnsOf))];
}

// Code

/** Values a column has at one place: a row of the batch, or an entry of a dictionary. */
type Place = (code: Writer, name: string) => Emitted;

/** The text of one loop's body, and what it refers to. */
class Writer implements Code {
  readonly head: string[] = [];
  readonly #lines: string[] = [];
  readonly #scopes: Map<string, Emitted>[] = [new Map()];
  readonly #constants: unknown[] = [];
  readonly #place: Place;
  readonly #shape: Shape | null;
  readonly #functions: readonly UserFunction[];
  readonly #memos = new Map<string, string>();
  readonly #kernels = new Map<string, Kernel>();
  #names = 0;

  /** @param shape  null: nothing is memoised here */
  constructor(place: Place, shape: Shape | null, functions: readonly UserFunction[]) {
    this.#place = place;
    this.#shape = shape;
    this.#functions = functions;
  }

  line(text: string): void {
    this.#lines.push(text);
  }
  name(): string {
    return `x${this.#names++}`;
  }
  hold(text: string): string {
    // A number below 0 only in brackets: -5 behind a minus would be another operator.
    if (/^(?:[a-zA-Z_][\w$]*|\d[\d.e+-]*|\(-\d[\d.e+-]*\))$/.test(text)) return text;
    const name = this.name();
    this.line(`const ${name} = ${text};`);
    return name;
  }
  variables(kind: TypeKind): Lanes {
    return nullLanes(kind).map((lane) => {
      const name = this.name();
      this.line(`let ${name} = ${lane};`);
      return name;
    });
  }
  assign(to: Lanes, from: Lanes): void {
    this.line(to.map((name, k) => `${name} = ${from[k]};`).join(' '));
  }
  constant(value: unknown): string {
    this.#constants.push(value);
    return `k${this.#constants.length - 1}`;
  }
  kernel(fn: Kernel): string {
    const { name } = fn;
    assert((this.#kernels.get(name) ?? kernels[name] ?? fn) === fn, `two kernels ${name}`);
    this.#kernels.set(name, fn);
    return `$${name}`;
  }
  block(head: string, body: () => void): void {
    this.line(`${head} {`);
    this.#scopes.push(new Map());
    body();
    this.#scopes.pop();
    this.line('}');
  }

  isCheap(expression: Expression): boolean {
    if (expression.op === 'column' || expression.op === 'literal') return true;
    if (expression.op === 'udf') return false;
    return !rowOf(expression.fn).guarded(expression) && expression.args.every((arg) => this.isCheap(arg));
  }

  value(expression: Expression): Emitted {
    const key = hasFunction(expression) ? null : JSON.stringify(expression);
    if (key !== null) for (const scope of this.#scopes) if (scope.has(key)) return scope.get(key)!;
    const emitted = this.#emit(expression);
    if (key !== null) this.#scopes.at(-1)!.set(key, emitted);
    return emitted;
  }

  #emit(expression: Expression): Emitted {
    if (expression.op === 'column') return this.#place(this, expression.name);
    if (expression.op === 'literal') return literalCode(this, expression);
    if (expression.op === 'udf') return this.#callFunction(expression);
    if (this.isMemoised(expression)) return this.#fromMemo(expression);
    const row = rowOf(expression.fn);
    assert(row.nulls !== 'columnar', `${expression.fn} in a loop`);
    if (row.nulls === 'own') return row.emit(this, expression);
    const args = expression.args.map((arg) => this.value(arg));
    const missing = [...new Set(args.map((arg) => arg.isNull))].filter((isNull) => isNull !== 'false');
    const lanes = args.map((arg) => arg.lanes);
    const { kind } = expression.type;
    if (missing.length === 0) return { lanes: row.emit(this, lanes, expression).map((lane) => this.hold(lane)), isNull: 'false' };
    if (missing.includes('true')) return { lanes: nullLanes(kind), isNull: 'true' };
    const isNull = this.hold(missing.join(' || '));
    if (!row.guarded(expression)) {
      const made = row.emit(this, lanes, expression);
      return { lanes: made.map((lane) => this.hold(kind === 'bool' ? `!${isNull} && (${lane})` : lane)), isNull };
    }
    const result = this.variables(kind);
    this.block(`if (!${isNull})`, () => this.assign(result, row.emit(this, lanes, expression)));
    return { lanes: result, isNull };
  }

  #callFunction(udf: Udf): Emitted {
    const used = this.#functions[udf.slot];
    assert(used, `no function ${udf.slot}`);
    const given = udf.args.map((arg) => {
      const { lanes, isNull } = this.value(arg);
      const shown = rowCode(this, arg.type, lanes);
      return this.hold(isNull === 'false' ? shown : `${isNull} ? null : ${shown}`);
    });
    const [result, node] = [this.name(), this.constant(used)];
    this.line(
      `let ${result}; try { ${result} = ${this.constant(used.run)}(${given.join(', ')}); } catch (thrown) { $functionThrew(${node}, base + i, thrown); }`,
    );
    this.line(`${result} = $acceptResult(${node}, ${result});`);
    const isNull = used.result.nullable ? this.hold(`${result} === null`) : 'false';
    const { kind } = udf.type;
    if (formOf(udf.type) === 'bytes')
      return { lanes: takeText(this, `if (${result} !== null) ${arena}.putBytes(${this.kernel(bytesAtRest)}(${result}));`), isNull };
    if (kind === 'utf8') return { lanes: takeText(this, `if (${result} !== null) ${arena}.putString(${result});`), isNull };
    if (kind === 'int64' || kind === 'timestamp')
      return { lanes: [this.hold(`$lowLaneOf(${result} ?? 0n)`), this.hold(`$highLaneOf(${result} ?? 0n)`)], isNull };
    if (kind === 'decimal') return { lanes: [this.hold(`${result} === null ? 0 : $narrowed(${result})`)], isNull };
    return { lanes: [this.hold(`${result} ?? ${nullLanes(kind)[0]}`)], isNull };
  }

  /** Depends on one column, which has a dictionary here, and on no function of the user's. */
  isMemoised(expression: Expression): boolean {
    if (this.#shape === null || expression.op !== 'call' || expression.fn === 'isNull' || expression.fn === 'isNotNull') return false;
    const names = columnsOf(expression);
    return names.length === 1 && this.#shape.get(names[0]!)!.hasDictionary && !hasFunction(expression);
  }

  /** The entry of a memoised expression for this row, made sure to be there: the memo's name, and the row's code. */
  entry(expression: Expression): { readonly memo: string; readonly code: string } {
    const [name] = columnsOf(expression) as [string];
    const { index, hasNulls } = this.#shape!.get(name)!;
    const key = JSON.stringify(expression);
    let memo = this.#memos.get(key);
    if (memo === undefined) {
      const made = new Memo(expression.type.kind);
      memo = this.constant(made);
      this.#memos.set(key, memo);
      const fill = this.constant(fillOf(expression, name, made));
      this.head.push(`${memo}.bind(q${index}); const s${memo} = ${memo}.state, w${memo} = ${memo}.values, f${memo} = ${fill};`);
    }
    const code = hasNulls ? this.hold(`(v${index}[i >> 3] >> (i & 7) & 1) === 0 ? ${memo}.size : d${index}[i]`) : this.hold(`d${index}[i]`);
    this.line(`if (s${memo}[${code}] === ${unset}) f${memo}(${code});`);
    return { memo, code };
  }

  #fromMemo(expression: Expression): Emitted {
    const { memo, code } = this.entry(expression);
    const isNull = this.isNullOfEntry(expression, memo, code);
    switch (expression.type.kind) {
      case 'utf8': {
        const text = this.hold(`w${memo}[${code}]`);
        return { lanes: [this.hold(`${memo}.text.bytes`), this.hold(`${memo}.offsets[${text}]`), this.hold(`${memo}.offsets[${text} + 1]`)], isNull };
      }
      case 'int64':
      case 'timestamp':
        return { lanes: [this.hold(`w${memo}[2 * ${code}]`), this.hold(`w${memo}[2 * ${code} + 1]`)], isNull };
      case 'bool':
        return { lanes: [this.hold(`w${memo}[${code}] === 1`)], isNull };
      default:
        return { lanes: [this.hold(`w${memo}[${code}]`)], isNull };
    }
  }

  isNullOfEntry(expression: Expression, memo: string, code: string): string {
    const [name] = columnsOf(expression) as [string];
    return expression.nullable || this.#shape!.get(name)!.hasNulls ? this.hold(`s${memo}[${code}] === ${absent}`) : 'false';
  }

  /** @param wrap  puts the body into the whole function's text */
  toFunction(parameters: string, wrap: (body: string) => string): (...given: never[]) => unknown {
    const source = wrap(this.#lines.join('\n'));
    const text = source.includes(`${arena}.`) ? { arena: new TextArena(256) } : {};
    const own: Readonly<Record<string, unknown>> = { ...kernels, ...Object.fromEntries(this.#kernels), ...text, scratch: new Int32Array(2) };
    const used = [...new Set(source.match(/\$\w+/g))];
    for (const name of used) assert(name.slice(1) in own, `no kernel ${name}`);
    const environment = [...used, ...this.#constants.map((_, k) => `k${k}`)];
    const make = new Function(...environment, `'use strict'; return function (${parameters}) {\n${source}\n};`);
    return make(...used.map((name) => own[name.slice(1)]), ...this.#constants);
  }
}

function literalCode(code: Code, literal: Literal): Emitted {
  const value = literalValue(literal);
  if (value === null) return { lanes: nullLanes(literal.type.kind), isNull: 'true' };
  const number = (n: number): string => (n < 0 ? `(${n})` : String(n));
  if (literal.type.kind === 'decimal') {
    const unscaled = narrowed(value as bigint);
    return { lanes: [typeof unscaled === 'number' ? number(unscaled) : code.constant(unscaled)], isNull: 'false' };
  }
  if (typeof value === 'bigint') return { lanes: [number(lowLaneOf(value)), number(highLaneOf(value))], isNull: 'false' };
  if (typeof value !== 'string') return { lanes: [typeof value === 'number' ? number(value) : String(value)], isNull: 'false' };
  const bytes = formOf(literal.type) === 'bytes' ? bytesAtRest(value) : encodeText(value);
  return { lanes: [code.constant(bytes), '0', String(bytes.length)], isNull: 'false' };
}

/** Of bytes at rest, which are a character for each. */
const bytesAtRest = (value: string): Uint8Array => Buffer.from(value, 'latin1');
const copyOfBytes = (bytes: Uint8Array, start: number, end: number): Uint8Array => bytes.slice(start, end);

/** JavaScript for what a user's function sees. */
function rowCode(code: Code, type: ColumnType, lanes: Lanes): string {
  const all = lanes.join(', ');
  const form = formOf(type);
  if (form === 'bytes') return `${code.kernel(copyOfBytes)}(${all})`;
  if (form === 'uint64') return `BigInt(${all})`;
  if (form !== null && !isNumeric(type))
    return `${code.kernel(rowOfValue)}(${lanes.length === 2 ? `$lanesToBigInt(${all})` : all}, ${code.constant(type)})`;
  switch (type.kind) {
    case 'decimal':
      return `new $Decimal(BigInt(${all}), ${type.scale})`;
    case 'int64':
      return `$lanesToBigInt(${all})`;
    case 'timestamp':
      return `$instantOf($lanesToBigInt(${all}))`;
    case 'date':
      return `$dateOf(${all})`;
    case 'utf8':
      return `$decodeText(${all})`;
    case 'list':
    case 'struct':
      return `$rowValue(${all})`;
    default:
      return lanes[0]!;
  }
}

/** Columns at row `i`. */
const atRow =
  (shape: Shape): Place =>
  (code, name) => {
    const { index, type, hasNulls, hasDictionary } = shape.get(name)!;
    const isNull = hasNulls ? code.hold(`(v${index}[i >> 3] >> (i & 7) & 1) === 0`) : 'false';
    if (hasDictionary) {
      const entry = code.hold(hasNulls ? `${isNull} ? 0 : d${index}[i]` : `d${index}[i]`);
      return { lanes: [`b${index}`, code.hold(`p${index}[${entry}]`), code.hold(`p${index}[${entry} + 1] | 0`)], isNull };
    }
    switch (type.kind) {
      case 'decimal':
        return { lanes: [code.hold(layoutOf(type) === 'wide' ? `$wideAt(d${index}, i)` : `d${index}[i]`)], isNull };
      case 'utf8':
        return { lanes: [`d${index}`, code.hold(`o${index}[i]`), code.hold(`o${index}[i + 1]`)], isNull };
      case 'bool':
        return { lanes: [code.hold(`${hasNulls ? `!${isNull} && ` : ''}(d${index}[i >> 3] >> (i & 7) & 1) === 1`)], isNull };
      case 'integer':
        return { lanes: [code.hold(`d${index}[2 * i + 1] * 4294967296 + (d${index}[2 * i] >>> 0)`)], isNull };
      case 'int64':
      case 'timestamp':
        return { lanes: [code.hold(`d${index}[2 * i]`), code.hold(`d${index}[2 * i + 1]`)], isNull };
      case 'list':
      case 'struct':
        return { lanes: [`c${index}`, 'i'], isNull };
      default:
        return { lanes: [code.hold(`d${index}[i]`)], isNull };
    }
  };

/** The arrays of the columns, by the index of the column: data d, validity v, offsets o, dictionary q with its bytes b and offsets p. */
const arraysOf = (shape: Shape): string =>
  [...shape.values()]
    .map(({ index: c, hasDictionary }) => {
      const arrays = `const c${c} = batch.columns[${c}], d${c} = c${c}.data, v${c} = c${c}.validity, o${c} = c${c}.offsets;`;
      return hasDictionary ? `${arrays} const q${c} = c${c}.dictionary, b${c} = q${c}.data, p${c} = q${c}.offsets;` : arrays;
    })
    .join('\n');

const loopOver = (body: string): string => `for (let i = 0; i < n; i++) {\n${body.includes(`${arena}.`) ? `${arena}.top = 0;\n` : ''}${body}\n}`;

/** Works out the result for one entry of the dictionary and keeps it in the memo. */
function fillOf(expression: Expression, name: string, memo: Memo): unknown {
  const code = new Writer(
    (writer, named) => {
      assert.equal(named, name);
      const isNull = writer.hold('code === memo.size');
      const entry = writer.hold(`${isNull} ? 0 : code`);
      return {
        lanes: [
          writer.hold('memo.dictionary.data'),
          writer.hold(`memo.dictionary.offsets[${entry}]`),
          writer.hold(`memo.dictionary.offsets[${entry} + 1] | 0`),
        ],
        isNull,
      };
    },
    null,
    [],
  );
  const { lanes, isNull } = code.value(expression);
  const [a, b, c] = lanes;
  const { kind } = expression.type;
  code.line(`memo.state[code] = ${isNull} ? ${absent} : ${there};`);
  if (kind === 'utf8') code.line(`if (!${isNull}) memo.keep(code, ${a}, ${b}, ${c});`);
  else if (lanes.length === 2) code.line(`memo.values[2 * code] = ${a}; memo.values[2 * code + 1] = ${b};`);
  else code.line(`memo.values[code] = ${kind === 'bool' ? `${a} ? 1 : 0` : a};`);
  const fill = code.toFunction('memo, code', (body) => (body.includes(`${arena}.`) ? `${arena}.top = 0;\n${body}` : body)) as unknown as (
    memo: Memo,
    code: number,
  ) => void;
  return (entry: number) => fill(memo, entry);
}

function filterLoop(condition: Expression, shape: Shape, functions: readonly UserFunction[]): Loop {
  const code = new Writer(atRow(shape), shape, functions);
  const { lanes } = code.value(condition);
  code.line(`selection[count] = i; count += ${lanes[0]} ? 1 : 0;`);
  return code.toFunction(
    'batch, base, selection',
    (body) => `const n = batch.length;\n${arraysOf(shape)}\n${code.head.join('\n')}\nlet count = 0;\n${loopOver(body)}\nreturn count;`,
  ) as unknown as Loop;
}

function projectionLoop(expressions: readonly Expression[], shape: Shape, functions: readonly UserFunction[]): Loop {
  const code = new Writer(atRow(shape), shape, functions);
  const outputs = expressions.map((expression, k) => writeOutput(code, expression, k));
  return code.toFunction(
    'batch, base',
    (body) =>
      `const n = batch.length;\n${arraysOf(shape)}\n${code.head.join('\n')}\n${outputs.map((o) => o.before).join('\n')}\n${loopOver(body)}\nreturn [${outputs.map((o) => o.after).join(', ')}];`,
  ) as unknown as Loop;
}

/** Writes the lines that store one output; gives its arrays' declaration and the column's construction. */
function writeOutput(code: Writer, expression: Expression, k: number): { readonly before: string; readonly after: string } {
  const type = code.constant(expression.type);
  const out = `r${k}`;
  const [validity, nulls] = [`y${k}`, `z${k}`];
  const store = (isNull: string, text: string, always = ''): void => {
    if (isNull === 'false') code.line(`${text} ${always}`);
    else code.line(`if (${isNull}) { ${validity}[i >> 3] &= ~(1 << (i & 7)); ${nulls}++; } else { ${text} } ${always}`);
  };
  const declare = `const ${validity} = new Uint8Array((n + 7) >> 3).fill(255); let ${nulls} = 0;`;
  const column = (data: string, isNull: string, rest = ''): string =>
    `$makeColumn(${type}, n, ${data}, ${isNull === 'false' ? 'null' : `${nulls} === 0 ? null : $closeBits(${validity}, n)`}${rest})`;

  if (expression.type.kind === 'utf8' && code.isMemoised(expression)) {
    const { memo, code: entry } = code.entry(expression);
    const isNull = code.isNullOfEntry(expression, memo, entry);
    store(isNull, `${out}[i] = w${memo}[${entry}];`);
    return { before: `const ${out} = new Int32Array(n); ${declare}`, after: column(out, isNull, `, null, ${memo}.toDictionary()`) };
  }
  const { lanes, isNull } = code.value(expression);
  const [a, b] = lanes as [string, string];
  switch (expression.type.kind) {
    case 'utf8':
      store(isNull, `${out}.put(${lanes.join(', ')});`, `e${k}[i + 1] = ${out}.top;`);
      return {
        before: `const ${out} = new $TextArena(8 * n), e${k} = new Int32Array(n + 1); ${declare}`,
        after: column(`${out}.bytes`, isNull, `, e${k}`),
      };
    case 'bool':
      store(isNull, `${out}[i >> 3] |= (${a} ? 1 : 0) << (i & 7);`);
      return { before: `const ${out} = new Uint8Array((n + 7) >> 3); ${declare}`, after: column(out, isNull) };
    case 'decimal':
      if (layoutOf(expression.type) === 'wide') {
        store(isNull, `$putWide(${out}, i, ${a});`);
        return { before: `const ${out} = new Int32Array(4 * n); ${declare}`, after: column(out, isNull) };
      }
      store(isNull, `${out}[i] = ${a};`);
      return { before: `const ${out} = new Float64Array(n); ${declare}`, after: column(out, isNull) };
    case 'float64':
      store(isNull, `${out}[i] = ${a};`);
      return { before: `const ${out} = new Float64Array(n); ${declare}`, after: column(out, isNull) };
    case 'integer':
      store(isNull, `${out}[2 * i] = ${a} | 0; ${out}[2 * i + 1] = Math.floor(${a} / 4294967296);`);
      return { before: `const ${out} = new Int32Array(2 * n); ${declare}`, after: column(out, isNull) };
    case 'int64':
    case 'timestamp':
      store(isNull, `${out}[2 * i] = ${a}; ${out}[2 * i + 1] = ${b};`);
      return { before: `const ${out} = new Int32Array(2 * n); ${declare}`, after: column(out, isNull) };
    default:
      store(isNull, `${out}[i] = ${a};`);
      return { before: `const ${out} = new Int32Array(n); ${declare}`, after: column(out, isNull) };
  }
}
