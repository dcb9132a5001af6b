/**
 * A chain of forty verbs on a hundred columns, five of them joins: what a large job costs the compiler. Read by types.test.ts
 * through `tsc --extendedDiagnostics`; never run.
 */
import { csv, parquet } from '../../batch-runtime/connectors/builders.ts';
import { count } from '../../batch-runtime/fluent/aggregate.ts';
import { float64, int32, schema, timestamp, utf8 } from '../../batch-runtime/schema.ts';
import type { Flow } from '../../batch-runtime/table.ts';

const wide = schema({
  c0: int32(),
  c1: float64(),
  c2: utf8(),
  c3: int32().nullable(),
  c4: timestamp(),
  c5: int32(),
  c6: float64(),
  c7: utf8(),
  c8: int32().nullable(),
  c9: timestamp(),
  c10: int32(),
  c11: float64(),
  c12: utf8(),
  c13: int32().nullable(),
  c14: timestamp(),
  c15: int32(),
  c16: float64(),
  c17: utf8(),
  c18: int32().nullable(),
  c19: timestamp(),
  c20: int32(),
  c21: float64(),
  c22: utf8(),
  c23: int32().nullable(),
  c24: timestamp(),
  c25: int32(),
  c26: float64(),
  c27: utf8(),
  c28: int32().nullable(),
  c29: timestamp(),
  c30: int32(),
  c31: float64(),
  c32: utf8(),
  c33: int32().nullable(),
  c34: timestamp(),
  c35: int32(),
  c36: float64(),
  c37: utf8(),
  c38: int32().nullable(),
  c39: timestamp(),
  c40: int32(),
  c41: float64(),
  c42: utf8(),
  c43: int32().nullable(),
  c44: timestamp(),
  c45: int32(),
  c46: float64(),
  c47: utf8(),
  c48: int32().nullable(),
  c49: timestamp(),
  c50: int32(),
  c51: float64(),
  c52: utf8(),
  c53: int32().nullable(),
  c54: timestamp(),
  c55: int32(),
  c56: float64(),
  c57: utf8(),
  c58: int32().nullable(),
  c59: timestamp(),
  c60: int32(),
  c61: float64(),
  c62: utf8(),
  c63: int32().nullable(),
  c64: timestamp(),
  c65: int32(),
  c66: float64(),
  c67: utf8(),
  c68: int32().nullable(),
  c69: timestamp(),
  c70: int32(),
  c71: float64(),
  c72: utf8(),
  c73: int32().nullable(),
  c74: timestamp(),
  c75: int32(),
  c76: float64(),
  c77: utf8(),
  c78: int32().nullable(),
  c79: timestamp(),
  c80: int32(),
  c81: float64(),
  c82: utf8(),
  c83: int32().nullable(),
  c84: timestamp(),
  c85: int32(),
  c86: float64(),
  c87: utf8(),
  c88: int32().nullable(),
  c89: timestamp(),
  c90: int32(),
  c91: float64(),
  c92: utf8(),
  c93: int32().nullable(),
  c94: timestamp(),
  c95: int32(),
  c96: float64(),
  c97: utf8(),
  c98: int32().nullable(),
  c99: timestamp(),
});
const side = schema({ key: utf8(), a: int32(), b: utf8().nullable(), c: float64() });

declare const flow: Flow;
const right = flow.read(csv('side.csv', { schema: side }));
export const chain = flow
  .read(parquet('wide', { schema: wide }))
  .derive((t) => ({ d0: t.c0.add(t.c5), e0: t.c1.mul(2) }))
  .filter((t) => t.d0.gt(1).and(t.c2.eq('x')))
  .join(right, { on: { c2: 'key' }, prefix: 'j0_', how: 'inner' })
  .derive((t) => ({ f0: t.j0_a.coalesce(0), g0: t.c4.hour() }))
  .rename({ e0: 'h0' })
  .drop('g0')
  .dropNulls('c3')
  .derive((t) => ({ d1: t.c0.add(t.c5), e1: t.c1.mul(2) }))
  .filter((t) => t.d1.gt(1).and(t.c2.eq('x')))
  .join(right, { on: { c2: 'key' }, prefix: 'j1_', how: 'left' })
  .derive((t) => ({ f1: t.j1_a.coalesce(0), g1: t.c4.hour() }))
  .rename({ e1: 'h1' })
  .drop('g1')
  .dropNulls('c8')
  .derive((t) => ({ d2: t.c0.add(t.c5), e2: t.c1.mul(2) }))
  .filter((t) => t.d2.gt(1).and(t.c2.eq('x')))
  .join(right, { on: { c2: 'key' }, prefix: 'j2_', how: 'inner' })
  .derive((t) => ({ f2: t.j2_a.coalesce(0), g2: t.c4.hour() }))
  .rename({ e2: 'h2' })
  .drop('g2')
  .dropNulls('c13')
  .derive((t) => ({ d3: t.c0.add(t.c5), e3: t.c1.mul(2) }))
  .filter((t) => t.d3.gt(1).and(t.c2.eq('x')))
  .join(right, { on: { c2: 'key' }, prefix: 'j3_', how: 'left' })
  .derive((t) => ({ f3: t.j3_a.coalesce(0), g3: t.c4.hour() }))
  .rename({ e3: 'h3' })
  .drop('g3')
  .dropNulls('c18')
  .derive((t) => ({ d4: t.c0.add(t.c5), e4: t.c1.mul(2) }))
  .filter((t) => t.d4.gt(1).and(t.c2.eq('x')))
  .join(right, { on: { c2: 'key' }, prefix: 'j4_', how: 'inner' })
  .derive((t) => ({ f4: t.j4_a.coalesce(0), g4: t.c4.hour() }))
  .rename({ e4: 'h4' })
  .drop('g4')
  .dropNulls('c23')
  .orderBy('c0', 'c1')
  .limit(1000)
  .select('c0', 'c1', 'c2', 'c3', 'c4', 'f0', 'f1', 'h0', 'j0_a', (t) => ({ late: t.c3.gt(15) }))
  .groupBy('c2', 'late')
  .aggregate((t) => ({ n: count(), sum: t.f0.sum(), mean: t.h0.avg() }))
  .filter((t) => t.n.gt(1))
  .select('c2', 'n', 'sum');
