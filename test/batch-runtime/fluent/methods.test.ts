import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Temporal } from 'temporal-polyfill';
import { temporal } from '#runtime/batch/temporal.ts';
import { functions } from '#runtime/expression/functions/table.ts';
import type { Value } from '#runtime/expression/values.ts';
import { count } from '#runtime/fluent/aggregate.ts';
import { lit } from '#runtime/fluent/columns.ts';
import type { Expr } from '#runtime/fluent/expr.ts';
import { methods } from '#runtime/fluent/methods.ts';
import { int32, utf8 } from '#runtime/schema.ts';
import { js, refused, settled, t, value } from './table.ts';

test('every method gives what its name says', () => {
  const c = t();
  const cases: readonly (readonly [Expr<unknown>, Value])[] = [
    [c.i.eq(7), true],
    [c.i.ne(7), false],
    [c.i.lt(8), true],
    [c.i.lte(7), true],
    [c.i.gt(7), false],
    [c.i.gte(7.5), false],
    [c.i.between(7, 8), true],
    [c.s.in([' Abc ', 'x']), true],
    [c.i.in([]), false],
    [c.j.isNull(), true],
    [c.j.isNotNull(), false],
    [c.j.coalesce(3), 3],
    [c.j.coalesce(c.n), 40],
    [c.j.eq(1), null],
    [c.i.cast(utf8()), '7'],
    [c.ok.and(false), false],
    [c.ok.or(c.j.gt(1)), true],
    [c.ok.not(), false],
    [c.i.add(1), 8],
    [c.i.sub(c.n), -33],
    [c.n.mul(2), 80],
    [c.i.div(2), 3.5],
    [c.i.mod(4), 3],
    [c.i.neg(), -7],
    [c.i.neg().abs(), 7],
    [c.x.round(), 3],
    [c.x.div(3).round(2), 0.83],
    [c.j.coalesce(c.j, c.j, 9), 9],
    [c.i.nullIf(7), null],
    [c.s.nullIf(''), ' Abc '],
    [c.i.least(c.n, 3, c.j), 3],
    [c.j.greatest(c.i), 7],
    [c.s.tryCast(int32()), null],
    [c.i.tryCast(utf8()), '7'],
    [c.x.floor(), 2],
    [c.x.ceil(), 3],
    [c.n.power(2), 1600],
    [c.n.add(9).sqrt(), 7],
    [c.x.sub(2.5).exp(), 1],
    [c.x.sub(1.5).ln(), 0],
    [c.n.add(60).log10(), 2],
    [c.i.neg().sign(), -1],
    [c.s.lower(), ' abc '],
    [c.s.upper(), ' ABC '],
    [c.s.trim(), 'Abc'],
    [c.s.trimStart(), 'Abc '],
    [c.s.trimEnd(), ' Abc'],
    [c.s.padStart(7), '   Abc '],
    [c.s.padEnd(8, '<>'), ' Abc <><'],
    [c.s.reverse(), ' cbA '],
    [c.s.repeat(c.i.sub(5)), ' Abc  Abc '],
    [c.s.indexOf('b'), 2],
    [c.s.replace(' ', '_'), '_Abc_'],
    [c.s.splitPart('b', -1), 'c '],
    [c.s.matches(/ABC/i), true],
    [c.s.matches('^A'), false],
    [c.s.extract(/(A)(b)/gu, 2), 'b'],
    [c.s.extract('[a-z]+'), 'bc'],
    [c.s.replaceMatches(/(?<x>[a-z])/, '$<x>$1'), ' Abbcc '],
    [lit('{"a":[1,"x"]}', utf8()).json('$.a[1]'), 'x'],
    [c.s.length(), 5],
    [c.s.startsWith(' A'), true],
    [c.s.endsWith('c'), false],
    [c.s.includes('bc'), true],
    [c.s.like('%A_c%'), true],
    [c.s.slice(1), 'Abc '],
    [c.s.slice(-3, -1), 'bc'],
    [c.s.concat('!', c.i.cast(utf8())), ' Abc !7'],
    [c.t.truncate('day'), 795_225_600_000_000n],
    [c.t.plus('1.5 s'), 795_262_211_500_001n],
    [c.t.minus('2 d'), 795_089_410_000_001n],
    [c.t.millisSince(c.t.minus('90 min')), 5_400_000],
    [c.t.epochMillis(), 795_262_210_000],
    [c.t.plus('1 mo'), 797_940_610_000_001n],
    [c.t.minus('1 y'), 763_726_210_000_001n],
    [c.t.plusMonths(c.i.sub(6)), 797_940_610_000_001n],
    [c.t.diff(c.t.minus('36 h'), 'day'), 2],
    [c.t.diff('1995-03-15T10:00:00Z', 'second'), 610],
    [c.t.minute(), 10],
    [c.t.second(), 10],
    [c.t.epochSeconds(), 795_262_210],
    [c.t.epochMicros(), 795_262_210_000_001n],
    [c.t.format('%d.%m.%Y %H:%M'), '15.03.1995 10:10'],
    [c.d.plus('2 w'), 9218],
    [c.d.minus('1 d'), 9203],
    [c.d.plus('-1 mo'), 9176],
    [c.d.plusDays(c.i), 9211],
    [c.d.plusMonths(12), 9570],
    [c.d.diff('1995-01-31', 'month'), 2],
    [c.d.quarter(), 1],
    [c.d.week(), 11],
    [c.d.weekYear(), 1995],
    [c.d.dayOfWeek(), 3],
    [c.d.dayOfYear(), 74],
    [c.d.format('%A'), 'Wednesday'],
    [lit('15/03/95', utf8()).parse('%d/%m/%y'), 795_225_600_000_000n],
    [c.s.tryParse('%Y'), null],
    [c.i.hash(), 142_003_520],
    [c.i.hash(c.n).eq(c.i.hash()), false],
    [c.t.date(), 9204],
    [c.t.hour(), 10],
    [c.d.year(), 1995],
    [c.d.month(), 3],
    [c.d.day(), 15],
    [c.d.truncate('month'), 9190],
    [c.l.gt(4n), true],
    [c.d.eq('1995-03-15'), true],
    [c.d.lt(temporal.PlainDate.from('1995-03-16')), true],
    [c.t.gte('1995-03-15T00:00:00Z'), true],
    [c.t.lt(Temporal.Instant.from('1996-01-01T00:00:00Z')), true],
  ];
  for (const [expression, expected] of cases) assert.deepEqual(value(expression), expected, JSON.stringify(settled(expression)));
});

test('each function of the table can be written', () => {
  // `length` of a list is its own function.
  const choices = ['when', 'listLength'];
  assert.deepEqual(
    Object.keys(functions).filter((fn) => !(fn in methods) && !choices.includes(fn)),
    [],
  );
});

test('what does not fit is refused with a word on what to do', () => {
  const c = t();
  refused(() => js(c.s).add!(1), 'utf8');
  refused(() => js(c.i).lower!(), 'int32');
  refused(() => js(c.s).eq!(5), 'cast');
  refused(() => js(c.i).and!(true), 'int32');
  refused(() => js(c.t).plus!('5 minutes'), "write '30 s'");
  refused(() => js(c.t).plus!(5), 'duration');
  refused(() => js(c.d).plus!('1 h'), "write '3 d'");
  refused(() => js(c.t).plus!('0.5 mo'), 'not a duration');
  refused(() => js(c.t).diff!(c.t, 'fortnight'), 'fortnight');
  refused(() => js(c.t).format!('%Q'), '%Q');
  refused(() => js(c.s).parse!(''), 'empty');
  refused(() => js(c.t).truncate!('fortnight'), 'fortnight');
  refused(() => js(c.d).truncate!('hour'), 'hour');
  refused(() => js(c.d).lt!('yesterday'), 'yesterday');
  refused(() => js(c.i).eq!(undefined), 'undefined');
  refused(() => js(c.i).eq!({}), 'object');
  refused(() => js(c.i).eq!(c.i === undefined ? 1 : count()), 'aggregate');
  refused(() => js(c.s).like!(c.s), 'written down');
  refused(() => js(c.s).matches!(c.s), 'written down');
  refused(() => js(c.s).matches!(/a/v), 'i, m and s');
  refused(() => js(c.s).extract!(/a/, 1), '0 to 0');
  refused(() => js(c.s).padStart!(c.i), 'written down');
  refused(() => js(c.s).padEnd!(5, ''), 'not an empty one');
  refused(() => js(c.s).json!('a'), 'not a path');
  refused(() => js(c.x).round!(16), '0 to 15');
});
