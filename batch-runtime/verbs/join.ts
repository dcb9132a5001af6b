/**
 * join: rows of two tables beside each other where their keys are equal. The kinds differ in what becomes of rows without a
 * match, and whether the right columns are given at all. Right keys are dropped: they are the left ones.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Field, type Schema, sameType } from '../batch/batch.ts';
import type { Columns, Condition } from '../fluent/expr.ts';
import { type AsOf, type JoinKind, rightMark } from '../graph/plan.ts';
import { joinSchema } from '../graph/rewrite.ts';

type Names<R> = keyof R & string;

/** cross has no keys: every left row beside every right one. */
export type How = JoinKind | 'cross';

export interface JoinOptions<R, R2> {
  /** One name or a list where both sides agree, else `{ left: 'right' }`. The right keys are dropped. Left out in a cross join, or where a condition says which pairs match. */
  readonly on?: (Names<R> & Names<R2>) | readonly (Names<R> & Names<R2>)[] | { readonly [L in Names<R>]?: Names<R2> };
  /**
   * left, right, full: every row of that side, or of both, once at least, with nulls where nothing matches. semi, anti: the left
   * rows that have a match, or have none, without any right column. cross: all pairs.
   */
  readonly how?: How;
  /**
   * Each left row meets one right row at most: of those with equal keys the last whose value here is at or before its own, as a price is that of the
   * last change: `{ left: 'at', right: 'since' }`. Only with how inner and left; `on` may be left out. SQL: ASOF JOIN.
   */
  readonly asOf?: { readonly left: Names<R>; readonly right: Names<R2> };
  /** Put before the name of each right column. */
  readonly prefix?: string;
}
/** Of the pairs with equal keys only those count for which it is true: `(l, r) => l.at.lt(r.until)`. */
export type PairCondition<R, R2> = (left: Columns<R>, right: Columns<R2>) => Condition;

const refuse = (what: string): never => {
  throw new SluiceError('PLAN_UNSUPPORTED', { what });
};

export interface JoinNode {
  readonly how: JoinKind;
  readonly leftKeys: readonly string[];
  readonly rightKeys: readonly string[];
  readonly prefix: string;
  readonly asOf?: AsOf;
  readonly schema: Schema;
}

const hows: readonly How[] = ['inner', 'left', 'right', 'full', 'semi', 'anti', 'cross'];

/**
 * @param find      a field of the left side, and of the right one, by its name
 * @param isTested  a condition on pairs is given besides: then it needs no keys
 * @throws      PLAN_UNSUPPORTED, EXPRESSION_TYPE when key types differ, COLUMN_CLASH
 */
export function joinOf(
  uid: string,
  left: Schema,
  right: Schema,
  find: { readonly left: (name: string) => Field; readonly right: (name: string) => Field },
  options: JoinOptions<Record<string, unknown>, Record<string, unknown>>,
  isTested = false,
): JoinNode {
  const { on, how: given = 'inner', prefix = '', asOf } = options;
  if (!hows.includes(given)) refuse(`${uid}: how is one of ${hows.join(', ')}, not ${String(given)}`);
  const pairs = on === undefined ? [] : typeof on === 'string' ? [[on, on]] : Array.isArray(on) ? on.map((name) => [name, name]) : Object.entries(on);
  const keys = pairs.map(([l, r]) => ({ left: find.left(String(l)), right: find.right(String(r)) }));
  if (given === 'cross' && keys.length > 0) refuse(`${uid}: a cross join has no keys; leave how out to join on them`);
  if (asOf !== undefined && given !== 'inner' && given !== 'left') refuse(`${uid}: an as-of join is inner or left, not ${given}`);
  if (given !== 'cross' && keys.length === 0 && asOf === undefined && !isTested)
    refuse(`${uid} has no keys: name them with on, give a condition, or say how: 'cross'`);
  const ordering = asOf === undefined ? [] : [{ left: find.left(asOf.left), right: find.right(asOf.right) }];
  for (const key of [...keys, ...ordering]) {
    if (!sameType(key.left.type, key.right.type))
      throw new SluiceError('EXPRESSION_TYPE', {
        what: `${uid}: ${key.left.name} is ${key.left.type.kind}, ${key.right.name} is ${key.right.type.kind}: cast one of them`,
      });
  }
  const how = given === 'cross' ? 'inner' : given;
  const node = { how, leftKeys: keys.map((key) => key.left.name), rightKeys: keys.map((key) => key.right.name), prefix };
  const schema = joinSchema(left, right, node);
  schema.forEach(({ name }, i) => {
    if (schema.findIndex((field) => field.name === name) !== i) throw new SluiceError('COLUMN_CLASH', { column: name });
  });
  return { ...node, ...(asOf === undefined ? {} : { asOf: { left: asOf.left, right: asOf.right } }), schema };
}

/** The fields a condition sees: the left ones as they are, the right ones behind their mark. @throws COLUMN_CLASH */
export function pairSchema(left: Schema, right: Schema): Schema {
  const marked = right.map((field) => ({ ...field, name: rightMark + field.name }));
  const clash = marked.find(({ name }) => left.some((field) => field.name === name));
  if (clash !== undefined) throw new SluiceError('COLUMN_CLASH', { column: clash.name });
  return [...left, ...marked];
}

/** The columns of the right side as a condition names them. */
export const markedColumns = (columns: Columns<unknown>): Columns<unknown> =>
  new Proxy(columns, {
    get: (target, name) => (typeof name === 'symbol' ? undefined : (target as Readonly<Record<string, unknown>>)[rightMark + name]),
  });
