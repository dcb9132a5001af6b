/**
 * Tables as users write them: verbs that add nodes to the plan of a job. A table holds no rows; it is a name for a node of a
 * graph in the making. The row type follows from the verbs, one mapped type per step (test/types holds what that costs the compiler);
 * at run time the same checks are made again for plain JavaScript.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Field, type Schema, sameType } from './batch/batch.ts';
import { propertyOf } from './batch/rows.ts';
import type { Sink, Source } from './connectors/builders.ts';
import type { Aggregate as AggregateNode, Expression } from './expression/expression.ts';
import { call, columnRef } from './expression/functions.ts';
import { type Aggregate, type Count, settleAggregate } from './fluent/aggregate.ts';
import { Unused } from './fluent/built.ts';
import { columnsOf, unknownColumn } from './fluent/columns.ts';
import type { Columns, Expr, Projection, ValueOf } from './fluent/expr.ts';
import { type Scope, settle, settleCondition } from './fluent/settle.ts';
import type { Definition } from './fluent/udf.ts';
import { plainOf } from './fluent/written.ts';
import { expressionText } from './graph/explain.ts';
import { refuseNestedKeys } from './graph/keys.ts';
import { placeOfCall } from './graph/places.ts';
import type { Graph, NodeId, PlanNode, RowCalls, RowFunction, SortKey, UserFunction } from './graph/plan.ts';
import { fieldsOf, type RowOf, type SchemaShape, typeText } from './schema.ts';
import { cubeSets, type GroupingOptions, grouping, type PivotOptions, pivoted, rollupSets } from './verbs/grouping.ts';
import { type JoinOptions, joinOf, markedColumns, type PairCondition, pairSchema } from './verbs/join.ts';
import { type RowFunctionOf, type RowOptions, rowsNode } from './verbs/rows.ts';
import { type SampleOptions, sampleCondition } from './verbs/sample.ts';
import { unionSchema } from './verbs/union.ts';
import { type UnnestOptions, unnested } from './verbs/unnest.ts';
import { type UnpivotOptions, unpivoted } from './verbs/unpivot.ts';
import { createWindows, type Windows } from './verbs/window.ts';

type Names<R> = keyof R & string;
/** R, with every column's type worked out now: R[keyof R] touches them all. Without it a chain is one deep lazy tower (TS2589). */
type Settled<R> = R[keyof R] extends unknown ? R : never;
/** One mapped type per step: no Omit, no intersection, no conditional around the whole. Also what makes hovers flat. */
type Put<R, P> = Settled<{ [K in keyof R | keyof P]: K extends keyof P ? P[K] : K extends keyof R ? R[K] : never }>;
/** Names of columns of R and functions that compute others, in any order. */
type Choice<R> = Names<R> | ((t: Columns<R>) => Projection);
type NamesIn<A extends readonly unknown[]> = Extract<A[number], string>;
type ProjectionIn<F> = F extends (...t: never[]) => infer P ? P : never;
type KeysOf<P> = P extends unknown ? keyof P : never;
type ComputedAt<P, N> = P extends unknown ? (N extends keyof P ? ValueOf<P[N]> : never) : never;
type Chosen<R, K extends string, P> = Settled<{
  -readonly [N in K | KeysOf<P>]: N extends KeysOf<P> ? ComputedAt<P, N> : N extends keyof R ? R[N] : never;
}>;
type Selected<R, A extends readonly unknown[]> = Chosen<R, NamesIn<A>, ProjectionIn<A[number]>>;
type WithComputed<R, P> = Settled<{
  -readonly [N in keyof R | KeysOf<P>]: N extends KeysOf<P> ? ComputedAt<P, N> : N extends keyof R ? R[N] : never;
}>;
type Dropped<R, K> = Settled<{ [N in Exclude<keyof R, K>]: R[N] }>;
type Renamed<R, M> = Settled<{ [N in keyof R as N extends keyof M ? M[N] & string : N]: R[N] }>;
type Filled<R, K> = Settled<{ [N in keyof R]: N extends K ? NonNullable<R[N]> : R[N] }>;

interface Aggregates {
  readonly [column: string]: Aggregate<unknown>;
}
type ResultOf<A> = A extends Aggregate<infer T> ? T : never;
type Results<A> = { -readonly [K in keyof A]: ResultOf<A[K]> };
/** Over no rows all but counts are null. */
type GlobalResults<A> = Settled<{ -readonly [K in keyof A]: A[K] extends Count ? number : ResultOf<A[K]> | null }>;

/** `desc('a')`: from the largest to the smallest. */
export interface Descending<out N> {
  readonly descending: N;
}
export const desc = <const N extends string | Expr<unknown>>(name: N): Descending<N> => ({ descending: name });

type Written<O> = O extends { readonly on: infer N } ? N : never;
type PrefixOf<O> = O extends { readonly prefix: infer P extends string } ? P : '';
type RightKeys<N> = N extends string ? N : N extends readonly (infer M)[] ? M : N[keyof N];
type Added<R2, O> = O extends { readonly how: 'semi' | 'anti' }
  ? unknown
  : {
      [K in Exclude<Names<R2>, RightKeys<Written<O>>> as `${PrefixOf<O>}${K}`]: O extends { readonly how: 'left' | 'full' } ? R2[K] | null : R2[K];
    };
type KeyOf<N, K> = N extends string
  ? K extends N
    ? N
    : never
  : N extends readonly (infer M)[]
    ? K extends M
      ? K
      : never
    : K extends keyof N
      ? N[K]
      : never;
/** The left side: null in all but its keys where only the right side has a row. */
type Sided<R, R2, O> = O extends { readonly how: 'right' | 'full' }
  ? { [K in keyof R]: [KeyOf<Written<O>, K>] extends [never] ? R[K] | null : R[K] | Extract<At<R2, KeyOf<Written<O>, K>>, null> }
  : R;
type Joined<R, R2, O> = Put<Sided<R, R2, O>, Added<R2, O>>;

/** A union's row: of each side what it may be. */
type United<R, R2> = Settled<{ [K in keyof R]: R[K] | At<R2, K> }>;
type UnlikeTypes<R, R2> = { [K in keyof R & keyof R2]: [Same<R[K], R2[K]>] extends [TypesDiffer<unknown, unknown>] ? K : never }[keyof R & keyof R2];
type Differing<R, R2> = Exclude<keyof R, keyof R2> | Exclude<keyof R2, keyof R> | UnlikeTypes<R, R2>;
type UnionCheck<R, R2> = [Differing<R, R2>] extends [never] ? unknown : { readonly 'columns differ': Differing<R, R2> };

declare const fault: unique symbol;
interface TypesDiffer<A, B> {
  readonly [fault]: [A, B];
}
interface BothSidesHave<N> {
  readonly [fault]: N;
}
interface PrefixIsNotALiteral {
  readonly [fault]: string;
}
type Same<A, B> = [NonNullable<A>, NonNullable<B>] extends [NonNullable<B>, NonNullable<A>] ? unknown : TypesDiffer<NonNullable<A>, NonNullable<B>>;
type At<R, K> = K extends keyof R ? R[K] : never;
type KeyCheck<R, R2, N> = N extends string
  ? N & Same<At<R, N>, At<R2, N>>
  : N extends readonly string[]
    ? { readonly [I in keyof N]: N[I] & Same<At<R, N[I]>, At<R2, N[I]>> }
    : { readonly [L in keyof N]: N[L] & Same<At<R, L>, At<R2, N[L]>> };
type ClashCheck<R, A> = [keyof A & keyof R] extends [never] ? unknown : { readonly prefix: BothSidesHave<keyof A & keyof R> };
/** What the options must be besides: key types that agree, no name on both sides. Asked for the named keys alone. */
type JoinCheck<R, R2, O> = (O extends { readonly on: infer N } ? { readonly on: KeyCheck<R, R2, N> } : unknown) &
  (O extends { readonly asOf: { readonly left: infer L; readonly right: infer N } }
    ? { readonly asOf: { readonly right: N & Same<At<R, L>, At<R2, N>> } }
    : unknown) &
  (string extends PrefixOf<O> ? { readonly prefix: PrefixIsNotALiteral } : ClashCheck<R, Added<R2, O>>);

/** Rows of type R, not yet there. Verbs return new tables; one table may be used many times and is worked out once. */
export interface Table<in out R> {
  /** Only these columns, and computed ones: `select('a', t => ({ b: t.c.add(1) }))`. SQL: SELECT. */
  select<const A extends readonly Choice<R>[]>(...columns: A): Table<Selected<R, A>>;
  /** Adds columns, or replaces those of that name. SQL: SELECT *, ... */
  derive<const P extends Projection>(columns: (t: Columns<R>) => P): Table<WithComputed<R, P>>;
  /** Keeps the rows for which it is true, so not those for which it is null. SQL: WHERE, HAVING. */
  filter(condition: (t: Columns<R>) => Expr<boolean | null>): Table<R>;
  drop<K extends Names<R>>(...names: K[]): Table<Dropped<R, K>>;
  /** `rename({ old: 'new' })`. */
  rename<const M extends { readonly [K in Names<R>]?: string }>(
    names: M & { readonly [K in Exclude<keyof M, keyof R>]: never },
  ): Table<Renamed<R, M>>;
  /** Keeps the rows that have a value in each of these columns; they are not null from here on. */
  dropNulls<K extends Names<R>>(...names: K[]): Table<Filled<R, K>>;
  /**
   * Rows of both sides whose keys are equal; null equals nothing. A name on both sides asks for a `prefix`. Of the pairs only those count for which
   * `where` is true: `(l, r) => l.at.lt(r.until)`. SQL: JOIN, and EXISTS as how: 'semi'.
   */
  join<R2, const O extends JoinOptions<R, R2>>(
    right: Table<R2>,
    options: O & JoinCheck<R, R2, O>,
    where?: PairCondition<R, R2>,
  ): Table<Joined<R, R2, O>>;
  /** Different rows, or with names the first row of each set of values in these columns. SQL: DISTINCT, DISTINCT ON. */
  distinct(...names: Names<R>[]): Table<R>;
  /** The rows of both, duplicates too. Columns meet by name, and are the same on both sides; nulls may be on one. SQL: UNION ALL. */
  union<R2>(other: Table<R2> & UnionCheck<R, R2>): Table<United<R, R2>>;
  /** Different rows that the other table has too; a null is like another. SQL: INTERSECT. */
  intersect(other: Table<R>): Table<R>;
  /** Different rows that the other table has not. SQL: EXCEPT. */
  except(other: Table<R>): Table<R>;
  /** One group per set of key values, null being a value: `groupBy('k', t => ({ day: t.at.date() }))`. */
  groupBy<const A extends readonly Choice<R>[]>(...keys: A): Grouped<WithComputed<R, ProjectionIn<A[number]>>, Selected<R, A>>;
  /** One row in all, over no rows too: then all but counts are null. */
  aggregate<const A extends Aggregates>(aggregates: (t: Columns<R>) => A): Table<GlobalResults<A>>;
  /** A total order; nulls last either way. */
  orderBy(...keys: (Names<R> | Descending<Names<R>>)[]): Table<R>;
  /** The first n rows; after orderBy the top n, else any n. */
  limit(count: number): Table<R>;
  /** Rows in, rows out, by a function that may be async: `map({ words: int32() }, ({ line }) => ({ words: line.split(' ').length }))`. */
  map<const S extends SchemaShape>(columns: S, run: RowFunctionOf<R, NoInfer<RowOf<S>>>, options?: RowOptions): Table<RowOf<S>>;
  /** As map, with any number of rows for each: an array or a generator. */
  flatMap<const S extends SchemaShape>(columns: S, run: RowFunctionOf<R, Iterable<NoInfer<RowOf<S>>>>, options?: RowOptions): Table<RowOf<S>>;
  /** Keeps the rows for which the function says true. */
  filterRows(run: RowFunctionOf<R, boolean>, options?: RowOptions): Table<R>;
  /** Adds columns by a function, or replaces those of that name; the other columns pass by it as they are. */
  deriveRows<const S extends SchemaShape>(columns: S, run: RowFunctionOf<R, NoInfer<RowOf<S>>>, options?: RowOptions): Table<Put<R, RowOf<S>>>;
  /** Columns become rows, each with the name of its column and its value; nulls give none. SQL: UNPIVOT. */
  unpivot<const C extends readonly Names<R>[], const N extends string, const V extends string>(
    options: UnpivotOptions<C, N, V>,
  ): Table<Unpivoted<R, C, N, V>>;
  /**
   * A row for each value of a list, the other columns repeat: `unnest('tags', { as: 'tag' })`. A null or empty list gives no row, or with `outer` one with a
   * null. SQL: UNNEST.
   */
  unnest<const K extends ListNames<R>, const O extends UnnestOptions = Record<never, never>>(name: K, options?: O): Table<Unnested<R, K, O>>;
  /** About this share of the rows, by their hash: the same ones each time. Equal rows stay or go together. */
  sample(fraction: number, options?: SampleOptions<Names<R>>): Table<R>;
  /** The same rows, spread over tasks by these keys: what makes work even that was not. `--partitions` says over how many. */
  repartition(...keys: [Names<R>, ...Names<R>[]]): Table<R>;
  /** A step of one's own: `pipe(t => t.filter(...))`. */
  pipe<T>(step: (table: Table<R>) => T): T;
  /** Writes the rows; they are visible when the whole job has succeeded. The name is what progress and tests call it. */
  write(sink: Sink<Names<R>>, name?: string): void;
}

/** Groups of rows of R with keys K. */
export interface GroupedSets<in out R, in out K> {
  aggregate<const A extends Aggregates>(aggregates: (t: Columns<R>) => A): Table<Put<K, Results<A>>>;
  /** Values of a column become columns: `pivot({ key: 'day', values: ['sat', 'sun'], aggregate: t => t.sales.sum() })`. SQL: PIVOT. */
  pivot<const N extends Names<R>, const V extends readonly (string | number | boolean)[], A extends Aggregate<unknown>>(
    options: PivotOptions<R, N, V, A>,
  ): Table<Put<K, Pivoted<V, A>>>;
}
export interface Grouped<in out R, in out K> extends GroupedSets<R, K> {
  /** Subtotals too: by all keys, by all but the last, and so on up to none. A key that is left out is null. SQL: ROLLUP. */
  rollup<const I extends string = never>(options?: GroupingOptions<I>): GroupedSets<R, Subtotals<K, I>>;
  /** By every set of the keys. SQL: CUBE. */
  cube<const I extends string = never>(options?: GroupingOptions<I>): GroupedSets<R, Subtotals<K, I>>;
  /** By each of these sets of the keys: `groupingSets([['a', 'b'], ['a'], []])`. */
  groupingSets<const I extends string = never>(sets: readonly (readonly Names<K>[])[], options?: GroupingOptions<I>): GroupedSets<R, Subtotals<K, I>>;
}
type Subtotals<K, I extends string> = Settled<{ -readonly [N in keyof K | I]: N extends keyof K ? K[N] | null : number }>;
type Pivoted<V extends readonly (string | number | boolean)[], A> = {
  -readonly [N in V[number] as `${N}`]: A extends Count ? number : ResultOf<A> | null;
};
type Unpivoted<R, C extends readonly string[], N, V> = Settled<{
  -readonly [K in Exclude<keyof R, C[number]> | (N & string) | (V & string)]: K extends N
    ? string
    : K extends V
      ? NonNullable<At<R, C[number]>>
      : At<R, K>;
}>;
type ListNames<R> = { [K in keyof R]: R[K] extends readonly unknown[] | null ? K : never }[keyof R] & string;
type ItemIn<L, O> = (L extends readonly (infer I)[] ? I : never) | (O extends { readonly outer: true } ? null : never);
type ItemName<K, O> = O extends { readonly as: infer A extends string } ? A : K;
type PlaceName<O> = O extends { readonly ordinality: infer A extends string } ? A : never;
type Unnested<R, K, O> = Settled<{
  [N in Exclude<keyof R, K> | (ItemName<K, O> & string) | PlaceName<O>]: N extends ItemName<K, O>
    ? ItemIn<At<R, K>, O>
    : N extends PlaceName<O>
      ? number | (O extends { readonly outer: true } ? null : never)
      : At<R, N>;
}>;

/** The start of every table. `build` sees only this and its params. */
export interface Flow {
  /** The rows of a source; the name is what progress and tests call it. */
  read<R>(source: Source<R>, name?: string): Table<R>;
  /** A table written down. SQL: VALUES. */
  rows<const S extends SchemaShape>(schema: S, rows: readonly RowOf<S>[]): Table<RowOf<S>>;
}

type Callback = (t: Columns<unknown>) => object;
type Column = Extract<PlanNode, { kind: 'project' }>['columns'][number];
/** `Omit` over each member of the union by itself. */
type Unnamed = PlanNode extends infer N ? (N extends PlanNode ? Omit<N, 'uid'> : never) : never;

const refuse = (what: string): never => {
  throw new SluiceError('PLAN_UNSUPPORTED', { what });
};

const columnOf = (field: Field): Column => ({ name: field.name, expression: columnRef(field) });
const fieldOf = ({ name, expression }: Column): Field => ({ name, type: expression.type, nullable: expression.nullable });

/** The plan in the making that all tables of one `build` add to. */
export class Draft implements Flow {
  readonly unused: Unused;
  readonly #module: string;
  readonly #places: Record<string, string> = {};
  readonly #nodes: PlanNode[] = [];
  readonly #functions: UserFunction[] = [];
  readonly #rowFunctions: RowFunction[] = [];
  readonly #names = new Set<string>();

  /** @param tracing  expressions remember where they are made: slow, for the error of one that is never used */
  constructor(module: string, tracing = false) {
    this.#module = module;
    this.unused = new Unused(tracing ? () => placeOfCall(module) : null);
  }

  /** The uid of the node that comes next: the verb and its place. */
  uid(verb: string): string {
    const uid = `${verb}-${this.#nodes.length}`;
    const place = placeOfCall(this.#module);
    if (place !== null) this.#places[uid] = place;
    return uid;
  }

  add(uid: string, given: Unnamed): NodeId {
    const node = { uid, ...given } as PlanNode;
    refuseNestedKeys(node, (id) => this.#nodes[id]!.schema);
    this.#nodes.push(node);
    return this.#nodes.length - 1;
  }

  /** The name a user gave, which must be the only one, or else the uid. */
  name(given: string | undefined, uid: string): string {
    if (given === undefined) return uid;
    if (this.#names.has(given)) refuse(`two sources or sinks are named ${given}: give each a name of its own`);
    this.#names.add(given);
    return given;
  }

  slot(uid: string, definition: Definition): number {
    this.#functions.push({ uid, ...definition });
    return this.#functions.length - 1;
  }

  rowSlot(uid: string, run: RowFunction['run']): number {
    return this.#rowFunctions.push({ uid, run }) - 1;
  }

  read<R>(source: Source<R>, name?: string): Table<R> {
    if (typeof source?.source?.connector !== 'string') refuse('read wants a source: csv(path, { schema }), parquet(path, { schema })');
    const uid = this.uid('read');
    const schema = [...(source.fields ?? [])];
    const columns = schema.map((field) => field.name);
    const id = this.add(uid, { kind: 'scan', name: this.name(name, uid), source: source.source, columns, predicate: null, schema });
    return new Made(this, id, schema, source.fields === null) as unknown as Table<R>;
  }

  rows<const S extends SchemaShape>(schema: S, rows: readonly RowOf<S>[]): Table<RowOf<S>> {
    const fields = fieldsOf(schema);
    const uid = this.uid('rows');
    const values = rows.map((row, i) =>
      fields.map((field) => {
        const value = propertyOf(row as Record<string, unknown>, field.name) ?? null;
        if (value === null && !field.nullable) refuse(`row ${i} of ${uid} has no ${field.name}: declare it .nullable()`);
        return plainOf(value, field);
      }),
    );
    return new Made(this, this.add(uid, { kind: 'values', rows: values, schema: fields }), fields, false) as unknown as Table<RowOf<S>>;
  }

  /** The plan as data, and its functions. @throws EXPRESSION_UNUSED, PLAN_UNSUPPORTED */
  finish(name: string, result: unknown): Omit<Graph, 'digest'> {
    const unused = this.unused.first();
    if (unused !== undefined) {
      const at = this.unused.placeOf(unused);
      throw new SluiceError('EXPRESSION_UNUSED', { what: expressionText(unused.node), ...(at === null ? {} : { at }) });
    }
    if (result !== undefined && !(result instanceof Made && result.draft === this)) {
      refuse(`build of job ${name} returns something that is not a table of its flow`);
    }
    const table = result instanceof Made ? result.closed('the result') : null;
    if (table === null && !this.#nodes.some((node) => node.kind === 'sink')) refuse(`job ${name} writes nothing and returns no table`);
    // Sources of which nothing was declared have learnt their columns by now.
    const nodes = this.#nodes.map((node) =>
      node.kind === 'scan'
        ? { ...node, columns: node.schema.map((field) => field.name), schema: [...node.schema] }
        : { ...node, schema: [...node.schema] },
    );
    return { plan: { name, nodes, result: table?.id ?? null }, functions: this.#functions, rowFunctions: this.#rowFunctions, places: this.#places };
  }
}

interface Groups {
  aggregate(aggregates: Callback): Made;
  pivot(options: PivotOptions<never, never, readonly unknown[], unknown>): Made;
  rollup(options?: GroupingOptions<string>): Pick<Groups, 'aggregate' | 'pivot'>;
  cube(options?: GroupingOptions<string>): Pick<Groups, 'aggregate' | 'pivot'>;
  groupingSets(sets: readonly (readonly string[])[], options?: GroupingOptions<string>): Pick<Groups, 'aggregate' | 'pivot'>;
}

/** A table at run time. `learns`: nothing is declared of its source, and `fields` grow as `col` names them. */
class Made {
  readonly draft: Draft;
  readonly id: NodeId;
  readonly #fields: Schema;
  readonly #learns: boolean;

  constructor(draft: Draft, id: NodeId, fields: Schema, learns: boolean) {
    this.draft = draft;
    this.id = id;
    this.#fields = fields;
    this.#learns = learns;
  }

  select(...columns: readonly (string | Callback)[]): Made {
    const uid = this.draft.uid('select');
    const windows = this.#windows(uid);
    const chosen = this.#chosen(uid, columns, windows);
    return this.#below(uid, windows).#project(uid, chosen);
  }

  derive(columns: Callback): Made {
    const uid = this.draft.uid('derive');
    const windows = this.#windows(uid);
    const columnsOfIt = this.closed(uid).#put(this.#computed(uid, columns, windows));
    return this.#below(uid, windows).#project(uid, columnsOfIt);
  }

  filter(condition: Callback): Made {
    const uid = this.draft.uid('filter');
    const windows = this.#windows(uid);
    const settled = settleCondition(condition(this.#columns(uid)), { ...this.#scope(uid), over: windows.add });
    const below = this.#below(uid, windows);
    const kept = below.#keep(uid, settled, below.#fields);
    return below === this ? kept : kept.#project(`${uid}.columns`, this.#fields.map(columnOf));
  }

  drop(...names: readonly string[]): Made {
    const uid = this.draft.uid('drop');
    for (const name of names) this.#field(uid, name);
    return this.closed(uid).#project(uid, this.#fields.filter((field) => !names.includes(field.name)).map(columnOf));
  }

  rename(names: Readonly<Record<string, string>>): Made {
    const uid = this.draft.uid('rename');
    for (const name of Object.keys(names)) this.#field(uid, name);
    const columns = this.#fields.map((field) => ({
      name: Object.hasOwn(names, field.name) ? names[field.name]! : field.name,
      expression: columnRef(field),
    }));
    return this.closed(uid).#project(uid, columns);
  }

  dropNulls(...names: readonly string[]): Made {
    const uid = this.draft.uid('dropNulls');
    const tests = names.map((name) => call('isNotNull', [columnRef(this.#field(uid, name))]));
    const [first, ...rest] = tests;
    if (first === undefined) return this;
    const condition = rest.reduce((all, test) => call('and', [all, test]), first);
    return this.#keep(
      uid,
      condition,
      this.#fields.map((field) => (names.includes(field.name) ? { ...field, nullable: false } : field)),
    );
  }

  join(given: unknown, options: JoinOptions<Record<string, unknown>, Record<string, unknown>>, condition?: PairCondition<never, never>): Made {
    const uid = this.draft.uid('join');
    if (!(given instanceof Made) || given.draft !== this.draft) return refuse(`${uid} wants a table of the same flow`);
    const left = this.closed(uid);
    const right = given.closed(uid);
    const find = { left: (name: string) => left.#field(uid, name), right: (name: string) => right.#field(`the right side of ${uid}`, name) };
    const node = joinOf(uid, left.#fields, right.#fields, find, options, condition !== undefined);
    if (condition !== undefined && node.asOf !== undefined) refuse(`${uid}: an as-of join takes no condition besides: filter the tables before it`);
    const where = condition === undefined ? null : left.#pairCondition(uid, right, condition);
    return new Made(this.draft, this.draft.add(uid, { kind: 'join', left: left.id, right: right.id, ...node, where }), node.schema, false);
  }

  #pairCondition(uid: string, right: Made, where: PairCondition<never, never>): Expression {
    const pair = new Made(this.draft, -1, pairSchema(this.#fields, right.#fields), false);
    const columns = pair.#columns(uid);
    return settleCondition(where(columns as never, markedColumns(columns) as never), pair.#scope(uid));
  }

  distinct(...names: readonly string[]): Made {
    const uid = this.draft.uid('distinct');
    const { draft } = this.closed(uid);
    const keys = names.length === 0 ? this.#fields.map((field) => field.name) : names.map((name) => this.#field(uid, name).name);
    const others = this.#fields.filter((field) => !keys.includes(field.name));
    const aggregates = others.map((field): AggregateNode => {
      const argument = columnRef(field);
      return { name: field.name, fn: 'first', argument, filter: null, type: field.type, nullable: field.nullable };
    });
    const grouped = [...keys.map((name) => this.#field(uid, name)), ...others];
    const made = new Made(draft, draft.add(uid, { kind: 'aggregate', input: this.id, keys, aggregates, schema: grouped }), grouped, false);
    return made.#project(`${uid}.columns`, this.#fields.map(columnOf));
  }

  union(given: unknown): Made {
    const uid = this.draft.uid('union');
    if (!(given instanceof Made) || given.draft !== this.draft) return refuse(`${uid} wants a table of the same flow`);
    const schema = unionSchema(uid, this.closed(uid).#fields, given.closed(uid).#fields);
    const inOrder = given.#fields.every((field, i) => field.name === schema[i]!.name);
    const columns = schema.map(({ name }) => columnOf(given.#field(uid, name)));
    const other = inOrder ? given : given.#project(`${uid}.columns`, columns);
    return new Made(this.draft, this.draft.add(uid, { kind: 'union', inputs: [this.id, other.id], schema }), schema, false);
  }

  intersect(given: unknown): Made {
    return this.#setOf('intersect', 'semi', given);
  }

  except(given: unknown): Made {
    return this.#setOf('except', 'anti', given);
  }

  /** Different rows of this table that the other has, or has not; here a null is like another. */
  #setOf(verb: string, how: 'semi' | 'anti', given: unknown): Made {
    const left = this.distinct();
    const uid = this.draft.uid(verb);
    if (!(given instanceof Made) || given.draft !== this.draft) return refuse(`${uid} wants a table of the same flow`);
    const right = given.closed(uid);
    const names = left.#fields.map((field) => field.name);
    const extra = right.#fields.find((field) => !names.includes(field.name));
    if (extra !== undefined) refuse(`${uid}: the other table has a column ${extra.name} besides: select the columns that both have`);
    const find = { left: (name: string) => left.#field(uid, name), right: (name: string) => right.#field(`the other table of ${uid}`, name) };
    const node = joinOf(uid, left.#fields, right.#fields, find, { on: names, how });
    const id = this.draft.add(uid, { kind: 'join', left: left.id, right: right.id, ...node, where: null, nullsEqual: true });
    return new Made(this.draft, id, node.schema, false);
  }

  groupBy(...keys: readonly (string | Callback)[]): Groups {
    const uid = this.draft.uid('groupBy');
    const chosen = this.#chosen(uid, keys);
    if (chosen.length === 0) refuse(`${uid} has no keys: aggregate() without groupBy gives one row`);
    const computed = chosen.filter(({ name, expression }) => expression.op !== 'column' || expression.name !== name);
    const input = computed.length === 0 ? this : this.closed(uid).#project(uid, this.#put(computed));
    const names = chosen.map(({ name }) => name);
    return {
      ...input.#aggregates((aggregates) => input.#aggregate(names, aggregates)),
      rollup: (options) => input.#sets('rollup', names, rollupSets(names), options),
      cube: (options) => input.#sets('cube', names, cubeSets(names), options),
      groupingSets: (sets, options) => input.#sets('groupingSets', names, sets, options),
    };
  }

  /** What can be asked of groups. */
  #aggregates(aggregate: (aggregates: Callback) => Made): Pick<Groups, 'aggregate' | 'pivot'> {
    return {
      aggregate,
      pivot: (options) => {
        const uid = this.draft.uid('pivot');
        return aggregate((columns) => pivoted(uid, columns as Columns<never>, options));
      },
    };
  }

  #sets(
    verb: string,
    names: readonly string[],
    sets: readonly (readonly string[])[],
    options?: GroupingOptions<string>,
  ): Pick<Groups, 'aggregate' | 'pivot'> {
    const uid = this.draft.uid(verb);
    const { id, draft } = this.closed(uid);
    const keys = names.map((name) => this.#field(uid, name));
    const { projections, schema, keys: ofSets, named } = grouping(uid, this.#fields, keys, sets, options?.id ?? null);
    const expanded = new Made(draft, draft.add(uid, { kind: 'expand', input: id, projections, schema }), schema, false);
    return this.#aggregates((aggregates) => {
      const made = expanded.#aggregate(ofSets, aggregates);
      const given = made.#fields.filter(({ name }) => !ofSets.includes(name));
      return made.#project(draft.uid(verb), [...named, ...given.map(columnOf)]);
    });
  }

  aggregate(aggregates: Callback): Made {
    return this.#aggregate([], aggregates);
  }

  orderBy(...keys: readonly (string | Descending<string>)[]): Made {
    const uid = this.draft.uid('orderBy');
    const sortKeys = keys.map((key): SortKey => {
      const name = typeof key === 'string' ? key : key.descending;
      return { name: this.#field(uid, name).name, descending: typeof key !== 'string' };
    });
    if (sortKeys.length === 0) refuse(`${uid} has no keys`);
    const { draft, id } = this.closed(uid);
    return new Made(draft, draft.add(uid, { kind: 'sort', input: id, keys: sortKeys, limit: null, schema: this.#fields }), this.#fields, false);
  }

  limit(count: number): Made {
    const uid = this.draft.uid('limit');
    if (!Number.isSafeInteger(count) || count < 0) refuse(`${uid}: ${String(count)} is not a number of rows`);
    return new Made(this.draft, this.draft.add(uid, { kind: 'limit', input: this.id, count, schema: this.#fields }), this.#fields, this.#learns);
  }

  map(columns: unknown, run: unknown, options: RowOptions = {}): Made {
    return this.#rows('map', columns, run, options);
  }

  flatMap(columns: unknown, run: unknown, options: RowOptions = {}): Made {
    return this.#rows('flatMap', columns, run, options);
  }

  filterRows(run: unknown, options: RowOptions = {}): Made {
    return this.#rows('filterRows', null, run, options);
  }

  deriveRows(columns: unknown, run: unknown, options: RowOptions = {}): Made {
    return this.#rows('deriveRows', columns, run, options);
  }

  unpivot(options: UnpivotOptions<readonly string[], string, string>): Made {
    const uid = this.draft.uid('unpivot');
    const { id, draft } = this.closed(uid);
    const { projections, schema, value } = unpivoted(uid, this.#fields, (name) => this.#field(uid, name), options);
    const all = new Made(draft, draft.add(uid, { kind: 'expand', input: id, projections, schema }), schema, false);
    return value.nullable ? all.dropNulls(value.name) : all;
  }

  unnest(name: string, options: UnnestOptions = {}): Made {
    const uid = this.draft.uid('unnest');
    const { id, draft } = this.closed(uid);
    const node = unnested(uid, this.#fields, this.#field(uid, name), options);
    return new Made(draft, draft.add(uid, { kind: 'unnest', input: id, ...node }), node.schema, false);
  }

  sample(fraction: number, options: SampleOptions<string> = {}): Made {
    const uid = this.draft.uid('sample');
    const fields = options.by === undefined ? this.closed(uid).#fields : options.by.map((name) => this.#field(uid, name));
    return this.#keep(uid, sampleCondition(uid, fraction, options.seed ?? 0, fields), this.#fields);
  }

  repartition(...names: readonly string[]): Made {
    const uid = this.draft.uid('repartition');
    if (names.length === 0) refuse(`${uid} has no keys`);
    const keys = names.map((name) => this.#field(uid, name).name);
    const { id, draft } = this.closed(uid);
    return new Made(draft, draft.add(uid, { kind: 'repartition', input: id, keys, schema: this.#fields }), this.#fields, false);
  }

  pipe<T>(step: (table: Made) => T): T {
    return step(this);
  }

  write(sink: Sink<string>, name?: string): void {
    const uid = this.draft.uid('write');
    if (typeof sink?.sink?.connector !== 'string') refuse(`${uid} wants a sink: csv(path), parquet(folder)`);
    const { draft, id } = this.closed(uid);
    for (const column of sink.names) this.#field(uid, column);
    draft.add(uid, { kind: 'sink', input: id, name: draft.name(name, uid), sink: sink.sink, schema: this.#fields });
  }

  /** This table, whose columns are all known. @throws PLAN_UNSUPPORTED for a source of which nothing is declared */
  closed(where: string): Made {
    if (this.#learns) refuse(`${where}: the columns of the source are not declared, select them first: select(t => ({ a: col('a', utf8()) }))`);
    return this;
  }

  #project(uid: string, columns: readonly Column[]): Made {
    const schema = columns.map(fieldOf);
    schema.forEach(({ name }, i) => {
      if (schema.findIndex((field) => field.name === name) !== i) refuse(`${uid} gives two columns named ${name}`);
    });
    return new Made(this.draft, this.draft.add(uid, { kind: 'project', input: this.id, columns, schema }), schema, false);
  }

  #keep(uid: string, condition: Expression, schema: Schema): Made {
    return new Made(this.draft, this.draft.add(uid, { kind: 'filter', input: this.id, condition, schema }), schema, this.#learns);
  }

  #rows(verb: RowCalls['verb'], columns: unknown, run: unknown, options: RowOptions): Made {
    const uid = this.draft.uid(verb);
    const { id } = this.closed(uid);
    const node = rowsNode(verb, uid, { id, fields: this.#fields }, columns, run, options, (each) => this.draft.rowSlot(uid, each));
    return new Made(this.draft, this.draft.add(uid, node), node.schema, false);
  }

  #aggregate(keys: readonly string[], callback: Callback): Made {
    const uid = this.draft.uid('aggregate');
    const scope = this.#scope(uid);
    const aggregates = Object.entries(callback(this.#columns(uid))).map(([name, given]) => settleAggregate(name, given, keys.length === 0, scope));
    if (keys.length + aggregates.length === 0) refuse(`${uid} gives no column`);
    for (const { name } of aggregates) if (keys.includes(name)) refuse(`${uid} gives two columns named ${name}`);
    const schema = [
      ...keys.map((name) => this.#field(uid, name)),
      ...aggregates.map(({ name, type, nullable }): Field => ({ name, type, nullable })),
    ];
    return new Made(this.draft, this.draft.add(uid, { kind: 'aggregate', input: this.id, keys, aggregates, schema }), schema, false);
  }

  /** Names and computed columns, in the written order. */
  #chosen(uid: string, columns: readonly (string | Callback)[], windows: Windows | null = null): Column[] {
    return columns.flatMap((each) => (typeof each === 'string' ? [columnOf(this.#field(uid, each))] : this.#computed(uid, each, windows)));
  }

  /** @param windows  where window functions go; null: there can be none */
  #computed(uid: string, callback: Callback, windows: Windows | null = null): Column[] {
    const scope = windows === null ? this.#scope(uid) : { ...this.#scope(uid), over: windows.add };
    return Object.entries(callback(this.#columns(uid))).map(([name, given]) => ({ name, expression: settle(given, scope) }));
  }

  #windows(uid: string): Windows {
    return createWindows(uid, (built) => settle(built, this.#scope(uid)));
  }

  /** This table with the columns of the window functions, if there are any. */
  #below(uid: string, windows: Windows): Made {
    return windows.steps(this.#fields).reduce((input: Made, step, i) => {
      const id = this.draft.add(`${uid}.${step.kind}-${i}`, { ...step, input: input.id });
      return new Made(this.draft, id, step.schema, false);
    }, this);
  }

  /** All columns, with these added or in the place of those of their name. */
  #put(computed: readonly Column[]): Column[] {
    const kept = this.#fields.map((field) => computed.find(({ name }) => name === field.name) ?? columnOf(field));
    return [...kept, ...computed.filter(({ name }) => !this.#fields.some((field) => field.name === name))];
  }

  #columns(uid: string): Columns<unknown> {
    return columnsOf(this.#fields, uid, this.draft.unused);
  }

  #field(uid: string, name: string): Field {
    return this.#fields.find((field) => field.name === name) ?? unknownColumn(name, uid, this.#fields);
  }

  #scope(uid: string): Scope {
    return {
      uid,
      find: (name, as) => {
        const field = this.#fields.find((each) => each.name === name);
        if (field === undefined && this.#learns) (this.#fields as Field[]).push({ name, type: as.type, nullable: as.nullable });
        const { type, nullable } = field ?? (this.#learns ? as : unknownColumn(name, uid, this.#fields));
        if (!sameType(type, as.type) || (nullable && !as.nullable))
          throw new SluiceError('EXPRESSION_TYPE', { what: `${uid}: ${name} is ${typeText({ type, nullable })}, not ${typeText(as)}` });
      },
      slot: (definition) => this.draft.slot(uid, definition),
    };
  }
}
