/** Comparisons, in the one order of values: NaN above all, -0 equal to 0, text by its UTF-8 bytes. */
import type { TypeKind } from '../../batch/batch.ts';
import type { Emitted, Lanes } from '../code.ts';
import type { Expression } from '../expression.ts';
import { compareValues } from '../values.ts';
import { always, anyNullable, bool, unify, wantCount } from './arguments.ts';
import type { FunctionRows, Strict } from './row.ts';

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
export function compareCode(fn: Comparison, kind: TypeKind, a: Lanes, b: Lanes, plainRight = false): string {
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

export const isPlain = (expression: Expression): boolean => expression.op === 'literal' && expression.value !== 'NaN';

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

export const comparisons: FunctionRows = {
  eq: comparison('eq', 'Equal; NaN equals NaN, -0 equals 0.'),
  ne: comparison('ne', 'Not equal.'),
  lt: comparison('lt', 'Below, in the one order of values: NaN above all, text by its UTF-8 bytes.'),
  lte: comparison('lte', 'Below or equal.'),
  gt: comparison('gt', 'Above.'),
  gte: comparison('gte', 'Above or equal.'),
  between: {
    doc: 'Not below the second and not above the third; three-valued, as the two comparisons joined by and.',
    nulls: 'own',
    guarded: (node) => node.args[0]!.type.kind === 'utf8',
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
    guarded: always,
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
};
