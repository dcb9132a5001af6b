/** Random expressions over random batches: every function of the table, by the cases it is compared with DuckDB on. */
import type fc from 'fast-check';
import type { Schema } from '#runtime/batch/batch.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { atRest } from '#runtime/expression/functions/literal.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { type Case, caseCall, cases } from './functions/cases.ts';
import { edges, type Gen, kinds, nameOf, type PlainName, pick, schema, type TypeName, typeOf } from './random.ts';

const of = typeOf;
const fieldsByKind = new Map<TypeName, Schema>(kinds.map((kind) => [kind, schema.filter((field) => nameOf(field.type) === kind)]));

/** The cases that give a kind. */
const casesByKind = new Map<TypeName, Case[]>(kinds.map((kind) => [kind, []]));
for (const one of cases)
  casesByKind
    .get(
      nameOf(
        caseCall(
          one,
          one.kinds.map((kind, k) => columnRef({ name: `c${k}`, type: of(kind), nullable: true })),
        ).type,
      ),
    )
    ?.push(one);

export function randomExpression(g: Gen, module: typeof fc, kind: TypeName, depth: number): Expression {
  const leaf = depth === 0 || g(module.nat, { max: 5 }) === 0;
  if (leaf) {
    const choice = g(module.nat, { max: 9 });
    if (choice === 0) return literal(null, of(kind));
    if (choice < 4) return literal(atRest(pick(g, module, edges[kind]), of(kind)), of(kind));
    return columnRef(pick(g, module, fieldsByKind.get(kind)!));
  }
  const sub = (of: TypeName): Expression => randomExpression(g, module, of, depth - 1);
  const ofCase = (): Expression => {
    const one = pick(g, module, casesByKind.get(kind)!);
    return caseCall(one, one.kinds.map(sub));
  };
  const anyKind = (): TypeName => pick(g, module, kinds);
  const number = (): TypeName => pick(g, module, ['int32', 'integer', 'int64', 'float64'] as const);
  const generic: (() => Expression)[] = [
    () => call('coalesce', [sub(kind), sub(kind)]),
    () => call('when', [sub('bool'), sub(kind), sub('bool'), sub(kind), sub(kind)]),
    () => call('when', [sub('bool'), sub(kind), sub(kind)]),
    () => call('cast', [sub('utf8')], of(kind)),
    () => ofCase(),
    () => ofCase(),
    () => ofCase(),
    () => call('cast', [sub(castSource(g, module, kind))], of(kind)),
  ];
  const arithmetic = ['add', 'sub', 'mul', 'mod', 'neg', 'abs'].map(
    (fn) => () => call(fn, fn === 'neg' || fn === 'abs' ? [sub(kind)] : [sub(kind), sub(kind)]),
  );
  const own: Record<PlainName, (() => Expression)[]> = {
    bool: [
      ...['eq', 'ne', 'lt', 'lte', 'gt', 'gte'].map((fn) => () => {
        const k = anyKind();
        return call(fn, [sub(k), sub(k)]);
      }),
      () => call(pick(g, module, ['eq', 'lt', 'gte']), [sub(number()), sub(number())]),
      () => call('between', [sub('date'), sub('timestamp'), sub('date')]),
      () => {
        const k = anyKind();
        return call('between', [sub(k), sub(k), sub(k)]);
      },
      () => {
        const k = anyKind();
        return call('in', [sub(k), ...Array.from({ length: g(module.nat, { max: 3 }) }, () => sub(k))]);
      },
      () => call(pick(g, module, ['isNull', 'isNotNull']), [sub(anyKind())]),
      () => call('and', [sub('bool'), sub('bool')]),
      () => call('or', [sub('bool'), sub('bool')]),
      () => call('not', [sub('bool')]),
      () => call(pick(g, module, ['startsWith', 'endsWith', 'includes']), [sub('utf8'), sub('utf8')]),
      () =>
        call('like', [
          sub('utf8'),
          literal(pick(g, module, ['', '%', 'a%', '%b', '_', '__', 'a_c', '%a%b%', '%😀%', '_😀%', '%%_', 'ab', '(', '.*', 'A%C']), of('utf8')),
        ]),
    ],
    int32: [
      ...arithmetic,
      () => call('round', [sub(kind)]),
      () => call('length', [sub('utf8')]),
      () => call(pick(g, module, ['year', 'month', 'day']), [sub(pick(g, module, ['date', 'timestamp'] as const))]),
      () => call('hour', [sub('timestamp')]),
    ],
    integer: [...arithmetic, () => call('millisSince', [sub('timestamp'), sub('timestamp')]), () => call('epochMillis', [sub('timestamp')])],
    int64: [...arithmetic, () => call('add', [sub('int64'), sub('int32')])],
    float64: [
      ...arithmetic,
      () => call('div', [sub(number()), sub(number())]),
      () => call('round', [sub(kind), literal(g(module.nat, { max: 3 }), of('int32'))]),
    ],
    utf8: [
      () => call(pick(g, module, ['lower', 'upper', 'trim']), [sub('utf8')]),
      () => call('slice', [sub('utf8'), sub('int32')]),
      () =>
        call('slice', [
          sub('utf8'),
          literal(g(module.integer, { min: -4, max: 4 }), of('int32')),
          literal(g(module.integer, { min: -4, max: 4 }), of('int32')),
        ]),
      () => call('concat', [sub('utf8'), sub('utf8')]),
    ],
    // Of the result's type once it is cast back.
    'decimal(9,2)': [
      () => call('cast', [call('add', [sub(kind), sub(kind)])], of(kind)),
      () => call('neg', [sub(kind)]),
      () => call('abs', [sub(kind)]),
    ],
    'decimal(30,4)': [
      () => call('cast', [call(pick(g, module, ['add', 'sub', 'mod']), [sub('decimal(9,2)'), sub('int32')])], of(kind)),
      () => call('cast', [call('mul', [sub('decimal(9,2)'), sub('decimal(9,2)')])], of(kind)),
      () => call('cast', [call('sub', [sub(kind), sub(kind)])], of(kind)),
      () => call('neg', [sub(kind)]),
    ],
    date: [
      () => call('date', [sub('timestamp')]),
      () => call('truncate', [sub('date'), literal(pick(g, module, ['year', 'quarter', 'month', 'week', 'day']), of('utf8'))]),
    ],
    timestamp: [
      () =>
        call('truncate', [
          sub('timestamp'),
          literal(pick(g, module, ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second']), of('utf8')),
        ]),
      () => call(pick(g, module, ['plus', 'minus']), [sub('timestamp'), sub(pick(g, module, ['int32', 'integer', 'int64'] as const))]),
    ],
  };
  return pick(g, module, [...own[kind as PlainName], ...own[kind as PlainName], ...generic])();
}

function castSource(g: Gen, module: typeof fc, kind: TypeName): TypeName {
  if (kind === 'date') return 'timestamp';
  if (kind === 'timestamp') return 'date';
  if (kind === 'utf8') return pick(g, module, kinds);
  return pick(g, module, ['int32', 'integer', 'int64', 'float64', 'bool', 'utf8', 'decimal(9,2)', 'decimal(30,4)'] as const);
}
