/** Kinds that are carried: what DuckDB calls them, and a value of number h in [0, distinct), the same in every table. */
import type { CarriedKind, Kind } from './case.ts';

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
export const isCarried = (kind: Kind): kind is CarriedKind => Object.hasOwn(carried, kind);
