/** Kinds that not every expression takes: what DuckDB calls them, and a value of number h in [0, distinct), the same in every table. */
import type { CarriedKind, DecimalKind, Kind } from './case.ts';

interface Carried {
  readonly sql: string;
  /** Types that a Parquet file may have for it. */
  readonly stored: readonly string[];
  value(h: string, distinct: number): string;
}

export const carried: Readonly<Record<CarriedKind, Carried>> = {
  decimal: { sql: 'DECIMAL(12,2)', stored: ['DECIMAL(12,2)'], value: (h, n) => `((${h} - ${Math.floor(n / 2)})::DECIMAL(12,2) / 4)::DECIMAL(12,2)` },
  wide: {
    sql: 'DECIMAL(30,4)',
    stored: ['DECIMAL(30,4)'],
    value: (h, n) => `((${h} - ${Math.floor(n / 3)})::DECIMAL(30,4) * 12345678901234.5678::DECIMAL(18,4))::DECIMAL(30,4)`,
  },
  total: {
    sql: 'DECIMAL(38,2)',
    stored: ['DECIMAL(38,2)'],
    value: (h, n) => `((${h} - ${Math.floor(n / 2)})::HUGEINT * 123456789012345678)::DECIMAL(38,2)`,
  },
  wideTotal: {
    sql: 'DECIMAL(38,4)',
    stored: ['DECIMAL(38,4)'],
    value: (h, n) => `((${h} - ${Math.floor(n / 2)})::HUGEINT * 98765432109876543)::DECIMAL(38,4)`,
  },
  int8: { sql: 'TINYINT', stored: ['TINYINT'], value: (h) => `(${h} % 256 - 128)::TINYINT` },
  uint16: { sql: 'USMALLINT', stored: ['USMALLINT'], value: (h) => `(65535 - ${h} % 65536)::USMALLINT` },
  uint32: { sql: 'UINTEGER', stored: ['UINTEGER'], value: (h) => `(${h} * 77777 % 4294967296)::UINTEGER` },
  uint64: { sql: 'UBIGINT', stored: ['UBIGINT'], value: (h) => `(18446744073709551615::UBIGINT - (${h} * 92233720368547)::UBIGINT)` },
  float32: { sql: 'FLOAT', stored: ['FLOAT'], value: (h, n) => `((${h} - ${Math.floor(n / 2)})::DOUBLE / 3)::FLOAT` },
  bytes: { sql: 'BLOB', stored: ['BLOB'], value: (h) => `from_hex(CASE WHEN ${h} % 7 = 0 THEN '' ELSE printf('%08X', ${h} * 40503) END)` },
  time: { sql: 'TIME', stored: ['TIME'], value: (h) => `(TIME '00:00:00' + to_microseconds((${h} * 863999) % 86400000000))` },
  localTimestamp: {
    sql: 'TIMESTAMP',
    stored: ['TIMESTAMP'],
    value: (h, n) => `make_timestamp(((${h} - ${Math.floor(n / 4)}) * 3723000457)::BIGINT)`,
  },
  localNs: {
    sql: 'TIMESTAMP_NS',
    stored: ['TIMESTAMP_NS'],
    value: (h, n) => `make_timestamp(((${h} - ${Math.floor(n / 4)}) * 3723000457)::BIGINT)::TIMESTAMP_NS`,
  },
};
export const carriedKinds = Object.keys(carried) as readonly CarriedKind[];

/** What is known of decimals: their digits, the kind of a sum of many, and where the values of a source are. */
interface Digits {
  readonly precision: number;
  readonly scale: number;
  readonly sum: DecimalKind;
  /** About so far apart are two values that follow one another. */
  readonly step: number;
}
export const decimals: Readonly<Record<DecimalKind, Digits>> = {
  decimal: { precision: 12, scale: 2, sum: 'total', step: 0.25 },
  wide: { precision: 30, scale: 4, sum: 'wideTotal', step: 1.2e13 },
  total: { precision: 38, scale: 2, sum: 'total', step: 1.24e17 },
  wideTotal: { precision: 38, scale: 4, sum: 'wideTotal', step: 9.9e16 },
};
export const isDecimal = (kind: Kind): kind is DecimalKind => Object.hasOwn(decimals, kind);
export const isCarried = (kind: Kind): kind is CarriedKind => Object.hasOwn(carried, kind);
