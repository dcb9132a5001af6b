/**
 * What derive, select and filter make of window functions in their expressions: each becomes a column of a node below the verb, one node
 * for all that have the same partitions and order, and keys that are computed become columns first. The verb itself sees columns only.
 */
import type { Field, Schema } from '../batch/batch.ts';
import type { Expression, WindowFunction } from '../expression/expression.ts';
import { columnRef } from '../expression/functions.ts';
import type { Built } from '../fluent/built.ts';
import type { WindowDefinition } from '../fluent/window.ts';
import type { PlanNode, SortKey } from '../graph/plan.ts';
import { callOrRanking } from '../window/call.ts';

type Column = Extract<PlanNode, { kind: 'project' }>['columns'][number];
/** A node that has no input and no name yet. */
export type Step =
  | { readonly kind: 'project'; readonly columns: readonly Column[]; readonly schema: Schema }
  | {
      readonly kind: 'window';
      readonly partitionBy: readonly string[];
      readonly orderBy: readonly SortKey[];
      readonly functions: readonly WindowFunction[];
      readonly limit: null;
      readonly schema: Schema;
    };

/** The window functions of one verb. */
export interface Windows {
  /** The column that stands for one. */
  add(definition: WindowDefinition): Expression;
  /** The nodes below the verb, on a table of these fields; none when there is no window function. */
  steps(fields: Schema): Step[];
}

/** @param settle  an expression of the callback, its columns looked up */
export function createWindows(uid: string, settle: (built: Built) => Expression): Windows {
  const keys: { readonly field: Field; readonly expression: Expression }[] = [];
  const groups = new Map<
    string,
    { readonly partitionBy: readonly string[]; readonly orderBy: readonly SortKey[]; readonly functions: WindowFunction[] }
  >();
  let count = 0;

  const keyName = (built: Built): string => {
    const expression = settle(built);
    if (expression.op === 'column') return expression.name;
    const text = JSON.stringify(expression);
    const known = keys.find((each) => JSON.stringify(each.expression) === text);
    if (known !== undefined) return known.field.name;
    const field = { name: `${uid}.key-${keys.length}`, type: expression.type, nullable: expression.nullable };
    keys.push({ field, expression });
    return field.name;
  };

  return {
    add({ fn, argument, more, options, condition, frame, partitionBy, orderBy }) {
      const over = { partitionBy: partitionBy.map(keyName), orderBy: orderBy.map(({ key, descending }) => ({ name: keyName(key), descending })) };
      const group = JSON.stringify(over);
      if (!groups.has(group)) groups.set(group, { ...over, functions: [] });
      const call = callOrRanking(
        fn,
        {
          argument: argument && settle(argument),
          more: more.map(settle),
          options,
          filter: condition && settle(condition),
        },
        frame,
      );
      const made = { name: `${uid}.window-${count++}`, ...call, frame };
      groups.get(group)!.functions.push(made);
      return columnRef(made);
    },
    steps(fields) {
      const steps: Step[] = [];
      let schema = fields;
      if (groups.size === 0) return steps;
      if (keys.length > 0) {
        schema = [...fields, ...keys.map(({ field }) => field)];
        const columns = [
          ...fields.map((field) => ({ name: field.name, expression: columnRef(field) })),
          ...keys.map(({ field, expression }) => ({ name: field.name, expression })),
        ];
        steps.push({ kind: 'project', columns, schema });
      }
      for (const { partitionBy, orderBy, functions } of groups.values()) {
        schema = [...schema, ...functions.map(({ name, type, nullable }) => ({ name, type, nullable }))];
        steps.push({ kind: 'window', partitionBy, orderBy, functions, limit: null, schema });
      }
      return steps;
    },
  };
}
