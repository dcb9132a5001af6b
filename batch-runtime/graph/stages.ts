/**
 * Cuts a plan into stages at its exchanges. What can run in one task without moving rows is one stage: a scan that several
 * sinks and joins share is read once, in one stage with several branches. Pure: the same plan and estimates give the same
 * stages in every process, byte for byte.
 */
import { aggregateRow, partialSchema } from '../aggregate/table.ts';
import type { Schema } from '../batch/batch.ts';
import { type Expression, isDeterministic, partsOf } from '../expression/expression.ts';
import { call } from '../expression/functions.ts';
import { keyScan } from './key-scan.ts';
import type { NodeId, Plan, PlanNode, SinkSpec, SourceSpec } from './plan.ts';
import { allOf, columnsIn, type NodeOf, reference } from './rewrite.ts';
import { type Estimate, isBroadcast, sizesOf } from './sizes.ts';
import {
  type Distribution,
  type Edge,
  type EdgeId,
  inputsOf,
  type Parallelism,
  type Stage,
  type StageGraph,
  type StageId,
  type StageOperator,
} from './stage.ts';

export interface StageOptions {
  /** What the sources expect of each scan, by node of this plan. */
  readonly estimates: ReadonlyMap<NodeId, Estimate>;
  /** Whether a sink takes all rows in one task, in order: a single file. */
  single(sink: SinkSpec): boolean;
  /** Whether a source reads the wanted columns alone, so that to read some of them again is cheap. Absent: none does. */
  readsColumns?(source: SourceSpec): boolean;
  /** A right side of a join up to this size goes to every task whole. */
  readonly broadcastBytes?: number;
}

/** Where the rows of a node are: the output of an operator of a stage. */
interface Place {
  readonly stage: StageId;
  readonly operator: number;
}

interface Draft {
  readonly parallelism: Parallelism;
  readonly operators: StageOperator[];
  readonly after: Set<StageId>;
}

/**
 * @param plan  optimized; nodes that nothing uses are not expected
 * @returns     stages in an order in which each comes after those it waits for, except that a broadcast may make an earlier
 *              stage wait for a later one; `after` decides
 * Cost         O(nodes + edges * stages)
 */
export function toStages(plan: Plan, options: StageOptions): StageGraph {
  const stages: Draft[] = [];
  const edges: Edge[] = [];
  /** Of a union: of each of its inputs, until they have to meet. */
  const places: (readonly Place[])[] = [];
  const sizes = sizesOf(plan, options.estimates);
  const stored = new Map<string, EdgeId>();

  const begin = (parallelism: Parallelism['kind']): StageId =>
    stages.push({ parallelism: { kind: parallelism }, operators: [], after: new Set() }) - 1;
  const add = (stage: StageId, operator: StageOperator): Place => ({ stage, operator: stages[stage]!.operators.push(operator) - 1 });
  const schemaAt = (place: Place): Schema => stages[place.stage]!.operators[place.operator]!.schema;
  const isSingle = (place: Place): boolean => stages[place.stage]!.parallelism.kind === 'single';

  /** The edge that carries the rows of a place; again with the same distribution: the same edge. */
  const store = (place: Place, distribution: Distribution): EdgeId => {
    const key = JSON.stringify([place, distribution]);
    const known = stored.get(key);
    if (known !== undefined) return known;
    const { uid, schema } = stages[place.stage]!.operators[place.operator]!;
    const edge = edges.length;
    edges.push({ id: edge, from: place.stage, mode: 'blocking', distribution, schema, deterministic: true });
    add(place.stage, { kind: 'store', uid: `${uid}.store-${edge}`, input: place.operator, edge, schema });
    stored.set(key, edge);
    return edge;
  };
  const fetch = (stage: StageId, edge: EdgeId, ordered = false): Place => {
    const { from, schema } = edges[edge]!;
    const { operators, after } = stages[stage]!;
    after.add(from);
    return add(stage, { kind: 'fetch', uid: `fetch-${stage}-${operators.length}`, edge, ordered, schema });
  };
  /** What comes from several operators of a stage, as one. */
  const united = (uid: string, stage: StageId, inputs: readonly Place[], schema: Schema): Place =>
    inputs.length === 1 ? inputs[0]! : add(stage, { kind: 'union', uid, inputs: inputs.map(({ operator }) => operator), schema });
  /** The rows of these places behind an exchange, in a new stage. */
  const exchange = (from: readonly Place[], distribution: Distribution, ordered = false): Place => {
    const edges = from.map((place) => store(place, distribution));
    const stage = begin(distribution.kind === 'single' ? 'single' : 'partitions');
    const fetched = edges.map((edge) => fetch(stage, edge, ordered));
    return united(`union-${stage}`, stage, fetched, schemaAt(from[0]!));
  };
  /** One place for what is at several: behind an exchange that spreads rows evenly. */
  const met = (from: readonly Place[]): Place => {
    if (from.length === 1) return from[0]!;
    if (from.every(isSingle)) return exchange(from, { kind: 'single' }, true);
    return exchange(from, { kind: 'hash', keys: schemaAt(from[0]!).map(({ name }) => name) });
  };
  /** All rows in one task; in order, if they have one: those of the first place before those of the next. */
  const gathered = (from: readonly Place[]): Place => {
    const [first, ...others] = from as readonly [Place, ...Place[]];
    return others.length === 0 && isSingle(first) ? first : exchange(from, { kind: 'single' }, true);
  };
  /** Whether `stage` cannot start before `other` has finished, or is it. */
  const waitsFor = (stage: StageId, other: StageId): boolean => stage === other || [...stages[stage]!.after].some((each) => waitsFor(each, other));

  /** The rows of a place with these columns alone, before they are sent. */
  const only = (node: PlanNode, at: Place, names: ReadonlySet<string>): Place => {
    const { schema } = stages[at.stage]!.operators[at.operator]!;
    const wanted = schema.filter(({ name }) => names.has(name));
    const kept = wanted.length > 0 ? wanted : schema.slice(0, 1);
    if (kept.length === schema.length) return at;
    const columns = kept.map((field) => ({ name: field.name, expression: reference(field) }));
    return add(at.stage, { kind: 'project', uid: `${node.uid}.columns`, input: at.operator, columns, schema: kept });
  };

  const aggregate = (node: NodeOf<'aggregate'>, from: readonly Place[]): Place => {
    const { uid, keys, aggregates, schema } = node;
    const phase = (at: Place, of: 'partial' | 'final' | 'complete', gives: Schema): Place =>
      add(at.stage, {
        kind: 'aggregate',
        uid: of === 'partial' ? `${uid}.partial` : uid,
        input: at.operator,
        phase: of,
        keys,
        aggregates,
        schema: gives,
      });
    if (from.length === 1 && isSingle(from[0]!)) return phase(from[0]!, 'complete', schema);
    const distribution: Distribution = keys.length === 0 ? { kind: 'single' } : { kind: 'hash', keys };
    if (aggregates.some(({ fn }) => aggregateRow(fn).keeps === 'values')) {
      const names = new Set([...keys, ...aggregates.flatMap(partsOf).flatMap((part) => [...columnsIn(part)])]);
      const sent = from.map((place) => only(node, place, names));
      return phase(exchange(sent, distribution), 'complete', schema);
    }
    const partials = from.map((place) => phase(place, 'partial', partialSchema(schema.slice(0, keys.length), aggregates)));
    return phase(exchange(partials, distribution), 'final', schema);
  };

  /** The different keys of the right side of a join, if they are few. */
  const keysAt = ({ uid, rightKeys }: NodeOf<'join'>, from: Place, upTo: number): Place => {
    const given = schemaAt(from);
    const fields = rightKeys.map((name) => given.find((field) => field.name === name)!);
    const known = fields.filter(({ nullable }) => nullable).map((field) => call('isNotNull', [reference(field)]));
    const { stage, operator: input } =
      known.length === 0
        ? from
        : add(from.stage, { kind: 'filter', uid: `${uid}.known`, input: from.operator, condition: allOf(known), schema: given });
    return add(stage, {
      kind: 'keys',
      uid: `${uid}.keys`,
      input,
      keys: rightKeys,
      upTo,
      schema: fields.map((field) => ({ ...field, nullable: true })),
    });
  };

  const join = (node: NodeOf<'join'>, left: readonly Place[], right: readonly Place[]): readonly Place[] => {
    const { uid, how, leftKeys, rightKeys, prefix, where, asOf, keysUpTo, schema } = node;
    const of = (probe: Place, build: Place): Place =>
      add(probe.stage, {
        kind: 'join',
        uid,
        probe: probe.operator,
        build: build.operator,
        how,
        probeKeys: leftKeys,
        buildKeys: rightKeys,
        prefix,
        where,
        ...(keysUpTo === undefined ? {} : { keysUpTo }),
        ...(node.nullsEqual ? { nullsEqual: true as const } : {}),
        ...(asOf === undefined ? {} : { asOf }),
        schema,
      });
    const sideOf = (name: string, stage: StageId, edges: readonly EdgeId[], ordered = false): Place => {
      const fetched = edges.map((edge) => {
        // Two joins of a stage may build from one fetch.
        const known = stages[stage]!.operators.findIndex((operator) => operator.kind === 'fetch' && operator.edge === edge);
        return known < 0 ? fetch(stage, edge, ordered) : { stage, operator: known };
      });
      return united(`${uid}.${name}`, stage, fetched, schemaAt(fetched[0]!));
    };
    const stored = (places: readonly Place[], distribution: Distribution): EdgeId[] => places.map((each) => store(each, distribution));
    // A stage cannot wait for what waits for it: a table joined with what was made of it goes through partitions.
    const isApart = !left.some((probe) => right.some((build) => waitsFor(build.stage, probe.stage)));
    if (keysUpTo !== undefined && !isApart) return left;
    if (isApart && isBroadcast(node, sizes, options.broadcastBytes)) {
      const edges = stored(keysUpTo === undefined ? right : right.map((place) => keysAt(node, place, keysUpTo)), { kind: 'broadcast' });
      return left.map((probe) => of(probe, sideOf('right', probe.stage, edges)));
    }
    const [toLeft, toRight]: Distribution[] =
      leftKeys.length === 0
        ? [{ kind: 'single' }, { kind: 'single' }]
        : [
            { kind: 'hash', keys: leftKeys },
            { kind: 'hash', keys: rightKeys },
          ];
    const stage = begin(leftKeys.length === 0 ? 'single' : 'partitions');
    const probe = sideOf('left', stage, stored(left, toLeft!), leftKeys.length === 0);
    return [of(probe, sideOf('right', stage, stored(right, toRight!)))];
  };

  const sort = (node: NodeOf<'sort'>, input: Place): Place => {
    const { uid, keys, limit, schema } = node;
    const of = (at: Place, name = uid): Place => add(at.stage, { kind: 'sort', uid: name, input: at.operator, keys, limit, schema });
    if (isSingle(input)) return of(input);
    if (limit !== null) return of(gathered([of(input, `${uid}.partial`)]));
    const scanned = keyScan(
      stages[input.stage]!.operators,
      input.operator,
      new Set(keys.map(({ name }) => name)),
      (source) => options.readsColumns?.(source) ?? false,
    );
    if (scanned !== null) {
      const sampler = begin('splits');
      for (const operator of scanned) add(sampler, operator);
      add(sampler, { kind: 'sample', uid: `${uid}.sample`, input: scanned.length - 1, keys, schema: scanned.at(-1)!.schema });
      stages[input.stage]!.after.add(sampler);
      return of(exchange([input], { kind: 'range', keys, sampledBy: sampler }));
    }
    // The samples of a stage are those of one sort.
    const samples = stages[input.stage]!.operators.some((operator) => operator.kind === 'sample');
    const from = samples ? exchange([input], { kind: 'forward' }) : input;
    const sampled = add(from.stage, { kind: 'sample', uid: `${uid}.sample`, input: from.operator, keys, schema });
    return of(exchange([exchange([sampled], { kind: 'forward' })], { kind: 'range', keys, sampledBy: from.stage }));
  };

  const window = (node: NodeOf<'window'>, from: readonly Place[]): Place => {
    const { uid, partitionBy, orderBy, functions, limit, schema } = node;
    const isWhole = from.length === 1 && isSingle(from[0]!);
    const first = from.map((place) =>
      limit === null || isWhole
        ? place
        : add(place.stage, {
            kind: 'top-groups',
            uid: `${uid}.partial`,
            input: place.operator,
            keys: partitionBy,
            orderBy,
            count: limit,
            schema: schemaAt(place),
          }),
    );
    const at = isWhole || partitionBy.length === 0 ? gathered(first) : exchange(first, { kind: 'hash', keys: partitionBy });
    const keys = [...partitionBy.map((name) => ({ name, descending: false })), ...orderBy];
    const sorted =
      keys.length === 0 ? at : add(at.stage, { kind: 'sort', uid: `${uid}.sort`, input: at.operator, keys, limit: null, schema: schemaAt(at) });
    return add(sorted.stage, { kind: 'window', uid, input: sorted.operator, partitionBy, orderBy, functions, schema });
  };

  /** Its inputs are one in each stage, and stay in as many stages as they are until rows of them have to meet. */
  const union = ({ uid, inputs, schema }: NodeOf<'union'>): readonly Place[] => {
    const all = inputs.flatMap((input) => places[input]!);
    return [...new Set(all.map(({ stage }) => stage))].map((stage) => {
      const here = all.filter((place) => place.stage === stage).map(({ operator }) => operator);
      return add(stage, { kind: 'union', uid, inputs: here, schema });
    });
  };

  /** An operator behind each of these places: what needs no row of another. */
  const behind = (from: readonly Place[], make: (input: number) => StageOperator): readonly Place[] =>
    from.map((place) => add(place.stage, make(place.operator)));

  const place = (node: PlanNode): readonly Place[] => {
    const { uid, schema } = node;
    const at = 'input' in node ? places[node.input]! : [];
    switch (node.kind) {
      case 'scan': {
        const { source, columns, predicate } = node;
        return [add(begin('splits'), { kind: 'scan', uid, source, columns, predicate, schema })];
      }
      case 'values':
        return [add(begin('single'), { kind: 'values', uid, rows: node.rows, schema })];
      case 'union':
        return union(node);
      case 'filter':
        return behind(at, (input) => ({ kind: 'filter', uid, input, condition: node.condition, schema }));
      case 'project':
        return behind(at, (input) => ({ kind: 'project', uid, input, columns: node.columns, schema }));
      case 'rows':
        return behind(at, (input) => ({ ...node, input }));
      case 'aggregate':
        return [aggregate(node, at)];
      case 'join':
        return join(node, places[node.left]!, places[node.right]!);
      case 'expand':
        return behind(at, (input) => ({ kind: 'expand', uid, input, projections: node.projections, schema }));
      case 'unnest': {
        const { column, item, ordinality, outer } = node;
        return behind(at, (input) => ({ kind: 'unnest', uid, input, column, item, ordinality, outer, schema }));
      }
      case 'repartition':
        return [exchange(at, { kind: 'hash', keys: node.keys })];
      case 'window':
        return [window(node, at)];
      case 'sort':
        return [sort(node, met(at))];
      case 'limit': {
        const of = (input: number, name = uid): StageOperator => ({ kind: 'limit', uid: name, input, count: node.count, schema });
        if (at.length === 1 && isSingle(at[0]!)) return behind(at, of);
        return behind([gathered(behind(at, (input) => of(input, `${uid}.partial`)))], of);
      }
      case 'sink': {
        const whole = options.single(node.sink) ? gathered(at) : met(at);
        return behind([whole], (input) => ({ kind: 'sink', uid, input, name: node.name, sink: node.sink, schema }));
      }
    }
  };

  for (const node of plan.nodes) places.push(place(node));
  const result = plan.result === null ? null : store(met(places[plan.result]!), { kind: 'forward' });
  orderWhereItMatters(stages, edges);
  const finished = stages.map(
    ({ parallelism, operators, after }, id): Stage => ({ id, parallelism, operators, after: [...after].sort((a, b) => a - b) }),
  );
  return { stages: finished, edges: edges.map((edge) => ({ ...edge, deterministic: isRepeatable(finished[edge.from]!, edge.id) })), result };
}

/**
 * Makes fetches ordered where the order in which rows arrive decides what a stage gives: which rows a limit keeps, or the last bits
 * of a float sum by which rows are then partitioned. A task that runs again must give the same rows, so all that feeds it is ordered too.
 */
function orderWhereItMatters(stages: readonly Draft[], edges: readonly Edge[]): void {
  const keyed = (stage: StageId): boolean =>
    edges.some(
      ({ id, from, distribution }) =>
        from === stage &&
        (distribution.kind === 'hash' ||
          distribution.kind === 'range' ||
          stages.some(({ operators }, reader) => operators.some((each) => each.kind === 'fetch' && each.edge === id) && keyed(reader))),
    );
  const ordered = new Set<StageId>();
  const order = (stage: StageId): void => {
    if (ordered.has(stage)) return;
    ordered.add(stage);
    const { operators } = stages[stage]!;
    operators.forEach((operator, i) => {
      if (operator.kind !== 'fetch') return;
      operators[i] = { ...operator, ordered: true };
      order(edges[operator.edge]!.from);
    });
  };
  stages.forEach(({ operators }, stage) => {
    const cuts = operators.some(
      (each) =>
        each.kind === 'limit' ||
        each.kind === 'window' ||
        each.kind === 'top-groups' ||
        (each.kind === 'sort' && each.limit !== null) ||
        (each.kind === 'join' && each.asOf !== undefined),
    );
    const onOrder = operators.flatMap((each) => (each.kind === 'aggregate' ? each.aggregates.map((of) => aggregateRow(of.fn).order(of)) : []));
    if (cuts || onOrder.includes('result') || (onOrder.includes('bits') && keyed(stage))) order(stage);
  });
}

/** Whether a task that runs again writes the same rows to the edge: nothing on their way says that it may give others. */
function isRepeatable({ operators }: Stage, edge: EdgeId): boolean {
  const holds = (index: number): boolean => {
    const operator = operators[index]!;
    const varies = operator.kind === 'rows' && !(operator.deterministic && operator.ordered);
    return !varies && expressionsOf(operator).every(isDeterministic) && inputsOf(operator).every(holds);
  };
  return holds(operators.findIndex((operator) => operator.kind === 'store' && operator.edge === edge));
}

function expressionsOf(operator: StageOperator): readonly Expression[] {
  if (operator.kind === 'filter') return [operator.condition];
  if (operator.kind === 'project') return operator.columns.map(({ expression }) => expression);
  if (operator.kind === 'expand') return operator.projections.flatMap((columns) => columns.map(({ expression }) => expression));
  if (operator.kind === 'window') return operator.functions.flatMap(partsOf);
  if (operator.kind === 'join') return operator.where === null ? [] : [operator.where];
  if (operator.kind !== 'aggregate') return [];
  return operator.aggregates.flatMap(partsOf);
}
