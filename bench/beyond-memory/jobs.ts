/** What `npm run bench -- beyond-memory` runs: one job module, whose param says which. */
import { count, integer, job, parquet, schema, Type, utf8 } from 'sluice';

const row = schema({ id: integer(), key: integer(), text: utf8() });

export default job({
  name: 'beyond-memory',
  params: {
    what: Type.Union([Type.Literal('sort'), Type.Literal('join'), Type.Literal('group')]),
    left: Type.String(),
    right: Type.String(),
    out: Type.String(),
  },
  build(flow, p) {
    const left = flow.read(parquet(p.left, { schema: row }), 'left');
    if (p.what === 'sort') {
      left.orderBy('key', 'id').write(parquet(p.out, { overwrite: true }), 'sorted');
      return undefined;
    }
    if (p.what === 'group')
      return left
        .groupBy('key')
        .aggregate((t) => ({ n: count(), ids: t.id.sum(), last: t.text.max() }))
        .aggregate((t) => ({
          rows: count(),
          n: t.n.sum(),
          ids: t.ids.sum(),
          pairs: t.ids.mod(1009).mul(t.key.mod(1009)).sum(),
          lengths: t.last.length().sum(),
        }));
    const right = flow.read(parquet(p.right, { schema: row }), 'right');
    return left.join(right, { on: 'key', prefix: 'r_' }).aggregate((t) => ({
      rows: count(),
      n: t.id.sum(),
      ids: t.r_id.sum(),
      pairs: t.id.mod(1009).mul(t.r_id.mod(1009)).sum(),
      lengths: t.text.length().add(t.r_text.length()).sum(),
    }));
  },
});
