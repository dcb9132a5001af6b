/**
 * docs/FUNCTIONS.md: every function of expressions, from the table itself, the types of the fluent API and the cases on which
 * each is compared with DuckDB.
 */
import { readFileSync } from 'node:fs';
import { aggregates } from '#runtime/aggregate/table.ts';
import { areas, rowOf } from '#runtime/expression/functions/table.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { rankings } from '#runtime/window/ranking.ts';
import { cases as aggregateCases } from '../batch-runtime/aggregate/cases.ts';
import { type Case, caseCall, cases } from '../batch-runtime/expression/functions/cases.ts';
import { nestedCases } from '../batch-runtime/expression/functions/nested-cases.ts';
import { kinds, typeOf } from '../batch-runtime/expression/random.ts';

const source = readFileSync(new URL('../../batch-runtime/fluent/expr.ts', import.meta.url), 'utf8');

/** How it is written: the method with the names of its parameters, as the compiler offers it. */
function written(fn: string): string {
  if (fn === 'when') return 'when(condition, then).otherwise(value)';
  if (fn === 'listLength') return '.length()';
  const start = new RegExp(`^  ${fn}(?=[<(])`, 'm').exec(source)!.index;
  // Behind what is generic in it, up to the bracket that closes.
  let from = start + 2 + fn.length;
  if (source[from] === '<')
    for (let depth = 0; depth > 0 || source[from] !== '('; from++) depth += source[from] === '<' ? 1 : source[from] === '>' ? -1 : 0;
  const parameters = source.slice(from + 1, source.indexOf('):', from));
  const names = [...parameters.matchAll(/(?:^\s*|,\s*)((?:\.\.\.)?\w+\??)\s*:/g)].map(([, name]) => name!);
  return `.${fn}(${names.join(', ')})`;
}

const resultOf = (one: Case): string =>
  caseCall(
    one,
    one.kinds.map((kind, k) => columnRef({ name: `c${k}`, type: typeOf(kind), nullable: true })),
  ).type.kind;

/** One word for decimals of all sizes. */
const word = (kind: string): string => (kind.startsWith('decimal') ? 'decimal' : kind);
const words = new Set(kinds.map(word));

/** The types of its arguments and of what it gives; T: any of several, in all places the same. */
function signatures(fn: string): string {
  const forms = new Map<string, Set<string>>();
  const own = cases.filter((each) => each.fn === fn);
  // What is of one type whatever is given is not T, be it by chance the same.
  const varies = fn !== 'cast' && fn !== 'tryCast' && new Set(own.map(resultOf)).size > 1;
  for (const one of own) {
    const given = one.kinds.map(word);
    const [first] = given.filter((kind) => kind !== 'bool' || fn !== 'when');
    const result = resultOf(one);
    const name = (kind: string): string => (kind === first ? 'T' : kind);
    const form = `${given.map(name).join(', ')} -> ${varies ? name(result) : result}`;
    forms.set(form, (forms.get(form) ?? new Set()).add(first!));
  }
  return [...forms]
    .map(([form, of]) => {
      if (of.size === words.size) return `${form} (T any)`;
      return of.size === 1 ? form.replace(/\bT\b/g, [...of][0]!) : `${form} (T ${[...of].join(', ')})`;
    })
    .join(' · ');
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** Of lists and structs by their own cases. */
function nestedRow(fn: string): string {
  const own = nestedCases.filter((each) => each.fn === fn);
  const types = [...new Set(own.map(({ types: of }) => of.map(({ kind }) => kind).join(', ')))].join(' · ');
  const sql = own[0]!.sql.replaceAll(/\$(\d)/g, (_, k) => 'abcdef'[Number(k) - 1]!);
  return `| ${[`\`${written(fn)}\``, types, rowOf(fn).doc, 'null', `\`${sql}\``].map(cell).join(' | ')} |`;
}

function row(fn: string): string {
  const { doc, nulls } = rowOf(fn);
  if (nulls === 'columnar') return nestedRow(fn);
  const sql = cases.find((one) => one.fn === fn && one.sql !== '$1')!.sql;
  const theirs = sql === null ? '-' : `\`${sql.replaceAll(/\$(\d)/g, (_, k) => 'abcdef'[Number(k) - 1]!)}\``;
  return `| ${[`\`${written(fn)}\``, signatures(fn), doc, nulls === 'strict' ? 'null' : 'its own', theirs].map(cell).join(' | ')} |`;
}

function aggregateRowText(fn: string): string {
  const { doc, empty } = aggregates[fn]!;
  const own = aggregateCases.filter((one) => one.fn === fn);
  const first = new Set(own.flatMap((one) => one.kinds.slice(0, 1)));
  const types = first.size === kinds.length ? 'any' : [...first].join(', ');
  const sql = own
    .find((one) => one.kinds.length > 0)!
    .sql.replaceAll('$1', 'a')
    .replaceAll('$2', 'b');
  const theirs = fn.startsWith('approx') ? '-' : `\`${sql}\``;
  return `| ${[`\`${written(fn)}\``, types, doc, empty === 'zero' ? '0' : 'null', theirs].map(cell).join(' | ')} |`;
}

export const functionsPage = (): string => `# Functions

What expressions are made of: \`t.delay.coalesce(0).gt(15)\`. Made from the table in \`batch-runtime/expression/functions/\`; each row is compared with its
reference and with DuckDB on all combinations of edge values. Under *nulls*, \`null\` says that the result is null when an argument is; \`its own\`, that the
meaning says what becomes of them. Under *types* are those it is tested on, arguments that are written down (a pattern, a unit) left out; where numbers
of several types meet they are widened: int32, integer, int64, float64; date to timestamp. Exceptions to what DuckDB gives are in [SEMANTICS](SEMANTICS.md).

Patterns of time: \`%Y\` year \`%y\` of the century \`%m\` month \`%b %B\` its name \`%d\` day \`%j\` of the year \`%a %A\` weekday \`%H\` hour \`%I %p\` of twelve \`%M\`
minute \`%S\` second \`%g\` milliseconds \`%f\` microseconds \`%z\` offset \`%%\`; a minus, as in \`%-d\`, leaves zeros out. Regular expressions are JavaScript's in
Unicode mode, less looking around and back. Paths of JSON are \`$.name."na.me"[0][-1]\`.

${Object.entries(areas)
  .map(
    ([area, rows]) => `## ${area}

| written | types | meaning | nulls | in DuckDB |
| --- | --- | --- | --- | --- |
${Object.keys(rows).map(row).join('\n')}
`,
  )
  .join('\n')}
## Aggregates

Many rows to one value, in \`aggregate\`, each with a filter of its own: \`t.delay.avg().filter(t.late)\`; and a value for each row by \`over\`, with
partitions, an order and a frame: \`t.delay.avg().over({ partitionBy: t.origin, orderBy: t.at, frame: { rows: [-6, 0] } })\`. Made from the table in
\`batch-runtime/aggregate/\`; each is compared with DuckDB over groups and frames of edge values, in one phase and in two.

| written | types | meaning | over nothing | in DuckDB |
| --- | --- | --- | --- | --- |
${Object.keys(aggregates).map(aggregateRowText).join('\n')}

## Windows

Functions of a row's place, written \`rank().over({ partitionBy, orderBy })\`: from \`batch-runtime/window/ranking.ts\`.

| written | meaning |
| --- | --- |
${Object.entries(rankings)
  .map(([fn, { doc }]) => `| \`${fn === 'lag' || fn === 'lead' ? written(fn) : `${fn}(${fn === 'ntile' ? 'parts' : ''})`}\` | ${cell(doc)} |`)
  .join('\n')}
`;
