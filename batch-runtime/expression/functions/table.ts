/** Every function of an expression, one row each, by area. A function may be added in a file of this folder and nowhere else. */
import { arithmetics } from './arithmetic.ts';
import { choices } from './choice.ts';
import { comparisons } from './compare.ts';
import { conversions } from './conversion.ts';
import { hashes } from './hash.ts';
import { jsons } from './json.ts';
import { logics } from './logic.ts';
import { maths } from './math.ts';
import { regexps } from './regexp.ts';
import { roundings } from './rounding.ts';
import { type FunctionRow, type FunctionRows, wrong } from './row.ts';
import { searches } from './search.ts';
import { texts } from './text.ts';
import { times } from './time.ts';
import { timeFields } from './time-fields.ts';
import { timeTexts } from './time-text.ts';

/** The one table. */
export const functions: FunctionRows = {
  ...comparisons,
  ...choices,
  ...conversions,
  ...logics,
  ...arithmetics,
  ...roundings,
  ...maths,
  ...texts,
  ...searches,
  ...regexps,
  ...jsons,
  ...times,
  ...timeFields,
  ...timeTexts,
  ...hashes,
};

export const rowOf = (fn: string): FunctionRow => (Object.hasOwn(functions, fn) ? functions[fn]! : wrong(`there is no function ${fn}`));
