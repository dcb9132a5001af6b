/**
 * sample: a part of the rows, the same ones each time: a row stays when the hash of its values and the seed is small. So equal rows stay or
 * go together, and with `by` all rows of a key do, in every table that is sampled alike.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Field } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import { call, columnRef, literal } from '../expression/functions.ts';

export interface SampleOptions<N> {
  /** Another seed gives other rows. Default 0. */
  readonly seed?: number;
  /** Look at these columns alone: all rows of a key stay or go. */
  readonly by?: readonly N[];
}

/** The condition for a row to stay. @param fields  the columns it looks at */
export function sampleCondition(uid: string, fraction: number, seed: number, fields: readonly Field[]): Expression {
  const refuse = (what: string): never => {
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `${uid}: ${what}` });
  };
  if (!(fraction >= 0 && fraction <= 1)) refuse(`a share of the rows is between 0 and 1, not ${String(fraction)}`);
  if ((seed | 0) !== seed) refuse(`a seed is a whole number of 32 bits, not ${String(seed)}`);
  const hash = call('hash', [literal(seed, { kind: 'int32' }), ...fields.map(columnRef)]);
  return call('lt', [hash, literal(Math.round(fraction * 2 ** 32), { kind: 'integer' })]);
}
