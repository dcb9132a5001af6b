/** A job over columns of forms: filtered, grouped, joined and sorted by them, with values as rows have them. */
import * as sluice from '#runtime/index.ts';

const { Temporal } = sluice;
const row = sluice.schema({
  id: sluice.uint64(),
  small: sluice.int8(),
  key: sluice.bytes().nullable(),
  at: sluice.time(),
  local: sluice.localTimestamp(),
  fine: sluice.timestamp({ unit: 'ns' }),
  single: sluice.float32(),
});
const time = (text: string) => Temporal.PlainTime.from(text);
const rows = [1n, 2n ** 63n, 2n ** 64n - 1n, 7n].map((id, i) => ({
  id,
  small: 100 + i,
  key: i === 3 ? null : Uint8Array.of(255, i & 1),
  at: time(`0${i}:30`),
  local: Temporal.PlainDateTime.from(`2020-02-0${i + 1}T10:00`),
  fine: Temporal.Instant.from(`2020-02-01T00:00:00.00000000${i}Z`),
  single: Math.fround(i / 3),
}));
export default sluice.job({
  name: 'forms',
  build(flow) {
    const t = flow.rows(row, rows);
    const kept = t.filter((c) =>
      c.id
        .gte(7n)
        .and(c.at.lt(time('03:30')))
        .or(c.fine.eq(rows[3]!.fine)),
    );
    const sums = t.groupBy('key').aggregate((c) => ({ total: c.small.sum(), last: c.id.max(), first: c.at.min() }));
    return kept
      .join(sums, { on: 'key', how: 'left', prefix: 's_' })
      .derive((c) => ({ double: c.small.add(c.small), hour: c.at.hour(), month: c.local.truncate('month'), text: c.key.cast(sluice.utf8()) }))
      .orderBy(sluice.desc('id'));
  },
});
