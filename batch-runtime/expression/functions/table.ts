/** Every function of an expression, one row each, by area. A function may be added in a file of this folder and nowhere else. */
import { arithmetics } from './arithmetic.ts';
import { choices } from './choice.ts';
import { comparisons } from './compare.ts';
import { conversions } from './conversion.ts';
import { hashes } from './hash.ts';
import { jsons } from './json.ts';
import { logics } from './logic.ts';
import { maths } from './math.ts';
import { nesteds } from './nested.ts';
import { regexps } from './regexp.ts';
import { roundings } from './rounding.ts';
import { type FunctionRow, type FunctionRows, wrong } from './row.ts';
import { searches } from './search.ts';
import { texts } from './text.ts';
import { times } from './time.ts';
import { timeFields } from './time-fields.ts';
import { timeTexts } from './time-text.ts';

/** The rows by area, in the order of docs/FUNCTIONS.md. */
export const areas: Readonly<Record<string, FunctionRows>> = {
  Comparison: comparisons,
  Logic: logics,
  'Nulls and choice': choices,
  Arithmetic: arithmetics,
  Rounding: roundings,
  'Powers and logarithms': maths,
  Text: texts,
  'Search in text': searches,
  'Regular expressions': regexps,
  JSON: jsons,
  'Lists and structs': nesteds,
  'Fields of time': timeFields,
  'Time moved and compared': times,
  'Time as text': timeTexts,
  Conversion: conversions,
  Hash: hashes,
};

/** The one table. */
export const functions: FunctionRows = Object.assign({}, ...Object.values(areas));

export const rowOf = (fn: string): FunctionRow => (Object.hasOwn(functions, fn) ? functions[fn]! : wrong(`there is no function ${fn}`));
