/**
 * A plan in words, for `--explain` and for messages. Nothing decides anything by this text.
 */
import { type Aggregate, type Expression, hasFunction, partsOf, type WindowFunction } from '../expression/expression.ts';
import { inputsOf, type Plan, type PlanNode, type SinkSpec, type SortKey, type SourceSpec } from './plan.ts';
import type { NodeOf } from './rewrite.ts';
import type { StageGraph, StageOperator } from './stage.ts';

const infix: Readonly<Record<string, string>> = {
  eq: '=',
  ne: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  and: 'and',
  or: 'or',
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
};

/** An expression as a reader of SQL would write it: `delay > 15 and origin = 'SFO'`. */
export function expressionText(expression: Expression): string {
  switch (expression.op) {
    case 'column':
      return expression.name;
    case 'literal':
      return typeof expression.value === 'string' && expression.type.kind === 'utf8' ? `'${expression.value}'` : String(expression.value);
    case 'udf':
      return `function#${expression.slot}(${expression.args.map(expressionText).join(', ')})`;
    case 'call': {
      const [left, right] = expression.args;
      const operator = infix[expression.fn];
      if (operator !== undefined && left !== undefined && right !== undefined) return `${inner(left)} ${operator} ${inner(right)}`;
      const args = expression.args.map(expressionText).join(', ');
      return expression.fn === 'cast' ? `cast(${args} as ${expression.type.kind})` : `${expression.fn}(${args})`;
    }
  }
}

const inner = (expression: Expression): string => {
  const text = expressionText(expression);
  return expression.op === 'call' && expression.fn in infix ? `(${text})` : text;
};

/**
 * The plan, and the stages it becomes, for a reader of `--explain`: one line per node or operator, inputs by number. Lines
 * that run a user function per row are marked `slow rows`.
 */
export function explain(plan: Plan, graph: StageGraph): string {
  const lines = [`plan of ${plan.name}`];
  plan.nodes.forEach((node, id) => {
    lines.push(`  ${id} ${nodeText(node)}${slow(node)}${id === plan.result ? '  -> result' : ''}`);
  });
  for (const { id, parallelism, operators, after } of graph.stages) {
    lines.push(`stage ${id}, one task ${perTask[parallelism.kind]}${after.length > 0 ? `, after ${after.join(', ')}` : ''}`);
    operators.forEach((operator, i) => {
      lines.push(`  ${i} ${operatorText(operator, graph)}${slow(operator)}`);
    });
  }
  return `${lines.join('\n')}\n`;
}

const perTask = { splits: 'per split', partitions: 'per range of partitions', single: 'in all' } as const;

const columnsText = (columns: readonly { readonly name: string; readonly expression: Expression }[]): string =>
  columns
    .map(({ name, expression }) => (expression.op === 'column' && expression.name === name ? name : `${name} = ${expressionText(expression)}`))
    .join(', ');

const aggregatesText = (aggregates: readonly Aggregate[]): string =>
  aggregates
    .map(({ name, fn, argument, more = [], options = [], filter }) => {
      const given = [...(argument === null ? ['*'] : [argument, ...more].map(expressionText)), ...options.map((each) => JSON.stringify(each))];
      const call = `${name} = ${fn}(${given.join(', ')})`;
      return filter === null ? call : `${call} where ${expressionText(filter)}`;
    })
    .join(', ');

const boundText = (bound: number | null): string => (bound === null ? 'all' : String(bound));
const windowText = (of: WindowFunction): string => {
  const { unit, start, end } = of.frame;
  return `${aggregatesText([of]).replace('(*)', '()')}${start === null && end !== null && unit === 'range' ? '' : ` over ${unit} ${boundText(start)} to ${boundText(end)}`}`;
};
const keysText = (keys: readonly SortKey[]): string => keys.map(({ name, descending }) => (descending ? `${name} desc` : name)).join(', ');
const pathText = (spec: SourceSpec | SinkSpec): string => `${spec.connector}${typeof spec['path'] === 'string' ? ` ${spec['path']}` : ''}`;
function joinText(node: Pick<NodeOf<'join'>, 'how' | 'where' | 'asOf' | 'keysUpTo'>, left: readonly string[], right: readonly string[]): string {
  if (node.keysUpTo !== undefined) return `key filter by ${onText(left, right)}, up to ${node.keysUpTo} keys,`;
  const { how, where, asOf } = node;
  const on = left.length === 0 ? '' : ` on ${onText(left, right)}`;
  const kind =
    asOf !== undefined ? `${how} join${on} as of ${asOf.left} >= ${asOf.right}` : on === '' && how === 'inner' ? 'cross join' : `${how} join${on}`;
  return where === null ? kind : `${kind} where ${expressionText(where).replaceAll('\u0000', '')}`;
}

const onText = (left: readonly string[], right: readonly string[]): string => left.map((name, i) => `${name} = ${right[i]}`).join(' and ');

/** What a node and the operator made of it have in common. */
function ownText(node: PlanNode | StageOperator): string | null {
  switch (node.kind) {
    case 'scan':
      return `read ${pathText(node.source)}: ${node.columns.join(', ')}${node.predicate === null ? '' : ` where maybe ${expressionText(node.predicate)}`}`;
    case 'values':
      return `${node.rows.length} rows written down`;
    case 'filter':
      return `filter ${expressionText(node.condition)}`;
    case 'project':
      return `project ${columnsText(node.columns)}`;
    case 'sort':
      return `sort by ${keysText(node.keys)}${node.limit === null ? '' : `, first ${node.limit}`}`;
    case 'rows':
      return `${node.verb}${node.gives.length > 0 ? ` ${node.gives.join(', ')} =` : ''} function of rows#${node.slot}${node.concurrency > 1 ? `, up to ${node.concurrency} at a time` : ''}${node.ordered ? '' : ', in any order'}`;
    case 'expand':
      return `a row for each of ${node.projections.map((columns) => `(${columnsText(columns.filter(({ expression }) => expression.op !== 'column'))})`).join(', ')}`;
    case 'unnest': {
      const as = node.item === node.column ? '' : ` as ${node.item}`;
      return `unnest ${node.column}${as}${node.ordinality === null ? '' : `, ${node.ordinality}`}${node.outer ? ', outer' : ''}`;
    }
    case 'window': {
      const by = node.partitionBy.length > 0 ? ` by ${node.partitionBy.join(', ')}` : '';
      const order = node.orderBy.length > 0 ? ` in order of ${keysText(node.orderBy)}` : '';
      return `window${by}${order}: ${node.functions.map(windowText).join(', ')}`;
    }
    case 'limit':
      return `limit ${node.count}`;
    case 'sink':
      return `write ${pathText(node.sink)}`;
    default:
      return null;
  }
}

function nodeText(node: PlanNode): string {
  const own = ownText(node);
  const inputs = inputsOf(node);
  const from = inputs.length > 0 ? ` of ${inputs.join(' and ')}` : '';
  if (node.kind === 'union') return `union${from}`;
  if (own !== null) return `${own}${from}`;
  if (node.kind === 'repartition') return `spread by ${node.keys.join(', ')}${from}`;
  if (node.kind === 'aggregate') return `aggregate by ${node.keys.join(', ') || 'nothing'}: ${aggregatesText(node.aggregates)}${from}`;
  return node.kind === 'join' ? `${joinText(node, node.leftKeys, node.rightKeys)}${from}` : node.uid;
}

function operatorText(operator: StageOperator, graph: StageGraph): string {
  const own = ownText(operator);
  if (own !== null) return `${own}${'input' in operator ? ` of ${operator.input}` : ''}`;
  switch (operator.kind) {
    case 'fetch': {
      const { from, distribution } = graph.edges[operator.edge]!;
      return `fetch edge ${operator.edge} from stage ${from}, ${distribution.kind}${operator.ordered ? ', in order' : ''}`;
    }
    case 'aggregate':
      return `${operator.phase} aggregate by ${operator.keys.join(', ') || 'nothing'}: ${aggregatesText(operator.aggregates)} of ${operator.input}`;
    case 'join':
      return `${joinText(operator, operator.probeKeys, operator.buildKeys)} of ${operator.probe} with a table of ${operator.build}`;
    case 'union':
      return `union of ${operator.inputs.join(' and ')}`;
    case 'top-groups':
      return `first ${operator.count} by ${operator.keys.join(', ') || 'nothing'} in order of ${keysText(operator.orderBy)} of ${operator.input}`;
    case 'keys':
      return `different ${operator.keys.join(', ')}, up to ${operator.upTo}, of ${operator.input}`;
    case 'sample':
      return `sample ${keysText(operator.keys)} of ${operator.input}`;
    case 'store': {
      const { distribution } = graph.edges[operator.edge]!;
      const by =
        distribution.kind === 'hash'
          ? ` by ${distribution.keys.join(', ')}`
          : distribution.kind === 'range'
            ? ` by ${keysText(distribution.keys)}`
            : '';
      return `store edge ${operator.edge}, ${distribution.kind}${by}, of ${operator.input}`;
    }
    default:
      return operator.uid;
  }
}

/** The mark of a node that runs a user function per row. */
function slow(node: PlanNode | StageOperator): string {
  if (node.kind === 'rows') return '  [slow rows: a user function]';
  const expressions =
    node.kind === 'filter'
      ? [node.condition]
      : node.kind === 'project'
        ? node.columns.map(({ expression }) => expression)
        : node.kind === 'aggregate'
          ? node.aggregates.flatMap(partsOf)
          : node.kind === 'join'
            ? node.where === null
              ? []
              : [node.where]
            : node.kind === 'window'
              ? node.functions.flatMap(partsOf)
              : [];
  return expressions.some(hasFunction) ? '  [slow rows: a user function]' : '';
}
