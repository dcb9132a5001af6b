/** Values as values of another type. */
import { canCast, castValue, emitCast, isFreeCast } from '../cast.ts';
import type { Expression } from '../expression.ts';
import { wantCount } from './arguments.ts';
import { type FunctionRows, wrong } from './row.ts';

export const conversions: FunctionRows = {
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
};
