/**
 * Reads only the columns that are used, works out only those, and sends only those through an exchange: unused columns leave
 * scans, projects and aggregates, and what a join or a sort need not carry is dropped below it.
 */
import type { Schema } from '../../batch/batch.ts';
import { type Aggregate, partsOf } from '../../expression/expression.ts';
import { inputsOf, type NodeId, type Plan, rightMark } from '../plan.ts';
import { columnsIn, joinSchema, type NodeOf, reference, rewrite } from '../rewrite.ts';

export function pruneColumns(plan: Plan): Plan {
  const needed = neededColumns(plan);
  return rewrite(plan, (node, id, add, nodes) => {
    const wanted = needed[id]!;
    /** The input with nothing in it that this node does not need. */
    const only = (input: NodeId, names: ReadonlySet<string>, which = ''): NodeId => {
      const { schema } = nodes[input]!;
      const kept = schema.filter((field) => names.has(field.name));
      if (kept.length === schema.length) return input;
      const columns = kept.map((field) => ({ name: field.name, expression: reference(field) }));
      return add({ kind: 'project', uid: `${node.uid}.columns${which}`, input, columns, schema: kept });
    };
    switch (node.kind) {
      case 'scan': {
        const schema = keep(node.schema, wanted);
        return add({ ...node, columns: schema.map((field) => field.name), schema });
      }
      case 'project': {
        const schema = keep(node.schema, wanted);
        return add({ ...node, columns: node.columns.filter(({ name }) => schema.some((field) => field.name === name)), schema });
      }
      case 'aggregate': {
        const aggregates = kept(node, wanted);
        const names = new Set([...node.keys, ...aggregates.map(({ name }) => name)]);
        return add({ ...node, aggregates, schema: node.schema.filter((field) => names.has(field.name)) });
      }
      case 'filter': {
        // A filter may know more about nulls than its input.
        const names = nodes[node.input]!.schema.map((field) => field.name);
        return add({ ...node, schema: node.schema.filter((field) => names.includes(field.name)) });
      }
      case 'join': {
        const [leftNames, rightNames] = joinNeeds(node, wanted);
        const left = only(node.left, leftNames);
        const right = only(node.right, rightNames, '.right');
        return add({ ...node, left, right, schema: joinSchema(nodes[left]!.schema, nodes[right]!.schema, node) });
      }
      case 'expand': {
        const schema = keep(node.schema, wanted);
        const kept = (columns: (typeof node.projections)[number]) => columns.filter(({ name }) => schema.some((field) => field.name === name));
        return add({ ...node, projections: node.projections.map(kept), schema });
      }
      case 'unnest': {
        const schema = keep(node.schema, wanted);
        return add({ ...node, input: only(node.input, unnestNeeds(node, wanted)), schema });
      }
      case 'union': {
        const schema = keep(node.schema, wanted);
        const names = new Set(schema.map((field) => field.name));
        return add({ ...node, inputs: node.inputs.map((input, k) => only(input, names, `.${k}`)), schema });
      }
      case 'repartition': {
        const input = only(node.input, new Set([...wanted, ...node.keys]));
        return add({ ...node, input, schema: nodes[input]!.schema });
      }
      case 'window': {
        const functions = node.functions.filter(({ name }) => wanted.has(name));
        if (functions.length === 0) return node.input;
        const input = only(node.input, windowNeeds(node, wanted));
        const schema = [...nodes[input]!.schema, ...functions.map(({ name, type, nullable }) => ({ name, type, nullable }))];
        return add({ ...node, input, functions, schema });
      }
      case 'sort': {
        const input = only(node.input, sortNeeds(node, wanted));
        return add({ ...node, input, schema: nodes[input]!.schema });
      }
      case 'limit': {
        const input = only(node.input, wanted);
        return add({ ...node, input, schema: nodes[input]!.schema });
      }
      case 'rows':
      case 'values':
      case 'sink':
        return add(node);
    }
  });
}

/** By node, the columns of it that something reads. */
function neededColumns(plan: Plan): Set<string>[] {
  const needed: Set<string>[] = plan.nodes.map(() => new Set());
  const need = (id: NodeId, names: Iterable<string>): void => {
    for (const name of names) needed[id]!.add(name);
  };
  if (plan.result !== null) need(plan.result, names(plan.nodes[plan.result]!.schema));
  for (let id = plan.nodes.length - 1; id >= 0; id--) {
    const node = plan.nodes[id]!;
    const wanted = needed[id]!;
    switch (node.kind) {
      case 'scan':
      case 'values':
        break;
      case 'sink':
        need(node.input, names(node.schema));
        break;
      case 'rows':
        // Nobody reads what the function touches.
        need(node.input, names(plan.nodes[node.input]!.schema));
        break;
      case 'filter':
        need(node.input, wanted);
        need(node.input, columnsIn(node.condition));
        break;
      case 'project': {
        const schema = keep(node.schema, wanted);
        for (const { name, expression } of node.columns) if (schema.some((field) => field.name === name)) need(node.input, columnsIn(expression));
        break;
      }
      case 'aggregate':
        need(node.input, node.keys);
        for (const part of kept(node, wanted).flatMap(partsOf)) need(node.input, columnsIn(part));
        break;
      case 'join': {
        const [left, right] = joinNeeds(node, wanted);
        need(node.left, left);
        need(node.right, right);
        break;
      }
      case 'expand': {
        const schema = keep(node.schema, wanted);
        for (const { name, expression } of node.projections.flat())
          if (schema.some((field) => field.name === name)) need(node.input, columnsIn(expression));
        break;
      }
      case 'unnest':
        need(node.input, unnestNeeds(node, wanted));
        break;
      case 'union':
        for (const input of node.inputs) need(input, names(keep(node.schema, wanted)));
        break;
      case 'repartition':
        need(node.input, [...wanted, ...node.keys]);
        break;
      case 'window':
        need(node.input, windowNeeds(node, wanted));
        break;
      case 'sort':
        need(node.input, sortNeeds(node, wanted));
        break;
      case 'limit':
        need(node.input, wanted);
    }
    // What has no column cannot be sent: one is kept where all could go.
    for (const input of inputsOf(node)) {
      const { schema } = plan.nodes[input]!;
      if (needed[input]!.size === 0 && schema.length > 0) need(input, names(keep(schema, needed[input]!)));
    }
  }
  return needed;
}

const names = (schema: Schema): string[] => schema.map((field) => field.name);

/** The wanted fields; the first when none is, for rows still have to be counted. */
function keep(schema: Schema, wanted: ReadonlySet<string>): Schema {
  const kept = schema.filter((field) => wanted.has(field.name));
  return kept.length > 0 ? kept : schema.slice(0, 1);
}

const kept = (node: NodeOf<'aggregate'>, wanted: ReadonlySet<string>): readonly Aggregate[] => {
  const used = node.aggregates.filter(({ name }) => wanted.has(name));
  return used.length + node.keys.length > 0 ? used : node.aggregates.slice(0, 1);
};

/** The list says how many rows there are, wanted or not. */
const unnestNeeds = (node: NodeOf<'unnest'>, wanted: ReadonlySet<string>): Set<string> =>
  new Set([node.column, ...names(keep(node.schema, wanted)).filter((name) => name !== node.item && name !== node.ordinality)]);

/** What a join needs of its two sides. */
function joinNeeds(node: NodeOf<'join'>, wanted: ReadonlySet<string>): [Set<string>, Set<string>] {
  const left = new Set(node.leftKeys);
  const right = new Set(node.rightKeys);
  if (node.asOf !== undefined) {
    left.add(node.asOf.left);
    right.add(node.asOf.right);
  }
  for (const name of node.where === null ? [] : columnsIn(node.where)) {
    if (name.startsWith(rightMark)) right.add(name.slice(rightMark.length));
    else left.add(name);
  }
  for (const name of wanted) {
    // Names do not clash, so a name of the left side is never also one of the right.
    if (name.startsWith(node.prefix)) right.add(name.slice(node.prefix.length));
    left.add(name);
  }
  return [left, right];
}

const sortNeeds = (node: NodeOf<'sort'>, wanted: ReadonlySet<string>): Set<string> => new Set([...wanted, ...node.keys.map(({ name }) => name)]);

/** Columns of the input that pass by it, and what its functions read; with no function wanted it is left out. */
function windowNeeds(node: NodeOf<'window'>, wanted: ReadonlySet<string>): Set<string> {
  const functions = node.functions.filter(({ name }) => wanted.has(name));
  const needs = new Set([...wanted].filter((name) => !node.functions.some((each) => each.name === name)));
  if (functions.length === 0) return needs;
  for (const name of [...node.partitionBy, ...node.orderBy.map((key) => key.name)]) needs.add(name);
  for (const part of functions.flatMap(partsOf)) for (const name of columnsIn(part)) needs.add(name);
  return needs;
}
