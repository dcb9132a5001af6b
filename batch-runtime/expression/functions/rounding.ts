/** Numbers to fewer digits. */

import type { Expression } from '../expression.ts';
import { roundAway } from '../numbers.ts';
import { isNumeric, isWhole } from '../values.ts';
import { int32, never, wantCount } from './arguments.ts';
import { literal } from './literal.ts';
import { type FunctionRows, wrong } from './row.ts';

export const roundings: FunctionRows = {
  round: {
    doc: 'To so many decimals (0 to 15), halves away from zero; whole numbers stay.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1, 2);
      const [x, given] = args as [Expression, Expression?];
      const digits = given === undefined ? 0 : given.op === 'literal' && isWhole(given.type) ? Number(given.value) : Number.NaN;
      if (!isNumeric(x.type)) wrong(`round takes a number, not ${x.type.kind}`);
      if (!(digits >= 0 && digits <= 15)) wrong('round takes 0 to 15 decimals, written down');
      return { args: [x, literal(digits, int32)], type: x.type, nullable: x.nullable };
    },
    interpret: ([a, digits], { type }) => (type.kind === 'float64' ? roundAway(a as number, 10 ** Number(digits)) : a!),
    guarded: never,
    emit: (_, [a, digits], { type }) => (type.kind === 'float64' ? [`$roundAway(${a![0]}, ${10 ** Number(digits![0])})`] : a!),
  },
};
