/**
 * Cuts a plan into stages at its exchanges. What can run in one task without moving rows is one stage: a scan that several
 * sinks and joins share is read once, in one stage with several branches. Pure: the same plan and estimates give the same
 * stages in every process, byte for byte.
 */
import { aggregateRow, partialSchema } from '../aggregate/table.ts';
import type { Schema } from '../batch/batch.ts';
import { type Expression, isDeterministic, partsOf } from '../expression/expression.ts';
import type { NodeId, Plan, PlanNode, SinkSpec } from './plan.ts';
import { columnsIn, type NodeOf, reference } from './rewrite.ts';
import { type Estimate, sizesOf } from './sizes.ts';
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
  /** A right side of a join up to this size goes to every task whole. */
  readonly broadcastBytes?: number;
}

const defaultBroadcastBytes = 10_000_000;

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
  const places: Place[] = [];
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
  /** The rows of a place behind an exchange, in a new stage. */
  const exchange = (place: Place, distribution: Distribution, ordered = false): Place =>
    fetch(begin(distribution.kind === 'single' ? 'single' : 'partitions'), store(place, distribution), ordered);
  /** All rows in one task; in order, if they have one. */
  const gathered = (place: Place): Place => (isSingle(place) ? place : exchange(place, { kind: 'single' }, true));
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

  const aggregate = (node: NodeOf<'aggregate'>, input: Place): Place => {
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
    if (isSingle(input)) return phase(input, 'complete', schema);
    const distribution: Distribution = keys.length === 0 ? { kind: 'single' } : { kind: 'hash', keys };
    if (aggregates.some(({ fn }) => aggregateRow(fn).keeps === 'values'))
      return phase(
        exchange(only(node, input, new Set([...keys, ...aggregates.flatMap(partsOf).flatMap((part) => [...columnsIn(part)])])), distribution),
        'complete',
        schema,
      );
    const partial = phase(input, 'partial', partialSchema(schema.slice(0, keys.length), aggregates));
    return phase(exchange(partial, distribution), 'final', schema);
  };

  const join = (node: NodeOf<'join'>, left: Place, right: Place): Place => {
    const { uid, how, leftKeys, rightKeys, prefix, where, schema } = node;
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
        ...(node.nullsEqual ? { nullsEqual: true as const } : {}),
        schema,
      });
    // Rows that only the build side has leave once: it cannot stand in every task.
    const mayBroadcast = how !== 'right' && how !== 'full' && !waitsFor(right.stage, left.stage);
    const bytes = leftKeys.length === 0 ? 0 : (sizes[node.right]?.bytes ?? Number.POSITIVE_INFINITY);
    // A stage cannot wait for what waits for it: a table joined with what was made of it goes through partitions.
    if (mayBroadcast && bytes <= (options.broadcastBytes ?? defaultBroadcastBytes)) {
      const edge = store(right, { kind: 'broadcast' });
      // Two joins of a stage may build from one fetch.
      const known = stages[left.stage]!.operators.findIndex((operator) => operator.kind === 'fetch' && operator.edge === edge);
      return of(left, known < 0 ? fetch(left.stage, edge) : { stage: left.stage, operator: known });
    }
    if (leftKeys.length === 0) {
      const stage = begin('single');
      const probe = fetch(stage, store(left, { kind: 'single' }), true);
      return of(probe, fetch(stage, store(right, { kind: 'single' })));
    }
    const stage = begin('partitions');
    const probe = fetch(stage, store(left, { kind: 'hash', keys: leftKeys }));
    return of(probe, fetch(stage, store(right, { kind: 'hash', keys: rightKeys })));
  };

  const sort = (node: NodeOf<'sort'>, input: Place): Place => {
    const { uid, keys, limit, schema } = node;
    const of = (at: Place, name = uid): Place => add(at.stage, { kind: 'sort', uid: name, input: at.operator, keys, limit, schema });
    if (isSingle(input)) return of(input);
    if (limit !== null) return of(gathered(of(input, `${uid}.partial`)));
    // The samples of a stage are those of one sort.
    const samples = stages[input.stage]!.operators.some((operator) => operator.kind === 'sample');
    const from = samples ? exchange(input, { kind: 'forward' }) : input;
    const sampled = add(from.stage, { kind: 'sample', uid: `${uid}.sample`, input: from.operator, keys, schema });
    return of(exchange(exchange(sampled, { kind: 'forward' }), { kind: 'range', keys, sampledBy: from.stage }));
  };

  const window = (node: NodeOf<'window'>, input: Place): Place => {
    const { uid, partitionBy, orderBy, functions, limit, schema } = node;
    const first =
      limit === null || isSingle(input)
        ? input
        : add(input.stage, {
            kind: 'top-groups',
            uid: `${uid}.partial`,
            input: input.operator,
            keys: partitionBy,
            orderBy,
            count: limit,
            schema: schemaAt(input),
          });
    const at = partitionBy.length === 0 ? gathered(first) : isSingle(first) ? first : exchange(first, { kind: 'hash', keys: partitionBy });
    const keys = [...partitionBy.map((name) => ({ name, descending: false })), ...orderBy];
    const sorted =
      keys.length === 0 ? at : add(at.stage, { kind: 'sort', uid: `${uid}.sort`, input: at.operator, keys, limit: null, schema: schemaAt(at) });
    return add(sorted.stage, { kind: 'window', uid, input: sorted.operator, partitionBy, orderBy, functions, schema });
  };

  const place = (node: PlanNode): Place => {
    const { uid, schema } = node;
    switch (node.kind) {
      case 'scan': {
        const { source, columns, predicate } = node;
        return add(begin('splits'), { kind: 'scan', uid, source, columns, predicate, schema });
      }
      case 'values':
        return add(begin('single'), { kind: 'values', uid, rows: node.rows, schema });
      case 'filter': {
        const { stage, operator } = places[node.input]!;
        return add(stage, { kind: 'filter', uid, input: operator, condition: node.condition, schema });
      }
      case 'project': {
        const { stage, operator } = places[node.input]!;
        return add(stage, { kind: 'project', uid, input: operator, columns: node.columns, schema });
      }
      case 'rows': {
        const { stage, operator } = places[node.input]!;
        return add(stage, { ...node, input: operator });
      }
      case 'aggregate':
        return aggregate(node, places[node.input]!);
      case 'join':
        return join(node, places[node.left]!, places[node.right]!);
      case 'expand': {
        const { stage, operator } = places[node.input]!;
        return add(stage, { kind: 'expand', uid, input: operator, projections: node.projections, schema });
      }
      case 'repartition':
        return exchange(places[node.input]!, { kind: 'hash', keys: node.keys });
      case 'window':
        return window(node, places[node.input]!);
      case 'sort':
        return sort(node, places[node.input]!);
      case 'limit': {
        const of = (at: Place, name = uid): Place => add(at.stage, { kind: 'limit', uid: name, input: at.operator, count: node.count, schema });
        const input = places[node.input]!;
        return isSingle(input) ? of(input) : of(gathered(of(input, `${uid}.partial`)));
      }
      case 'sink': {
        const input = places[node.input]!;
        const { stage, operator } = options.single(node.sink) ? gathered(input) : input;
        return add(stage, { kind: 'sink', uid, input: operator, name: node.name, sink: node.sink, schema });
      }
    }
  };

  for (const node of plan.nodes) places.push(place(node));
  const result = plan.result === null ? null : store(places[plan.result]!, { kind: 'forward' });
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
      (each) => each.kind === 'limit' || each.kind === 'window' || each.kind === 'top-groups' || (each.kind === 'sort' && each.limit !== null),
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
