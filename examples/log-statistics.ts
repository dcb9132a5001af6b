/**
 * From log files to daily statistics: gzip files of an object per line, as write-access-log.ts writes them, to requests,
 * visitors, failures and times by day, and to what was asked for most. Lines that a killed logger left half written go to
 * `rejects.csv`. `node examples/write-access-log.ts` and then `sluice run examples/log-statistics.ts --param out=DIR`.
 */
import { count, csv, desc, float64, int32, integer, job, json, schema, Type, timestamp, utf8 } from 'sluice';

const requests = schema({
  time: timestamp(),
  url: utf8(),
  status: int32(),
  bytes: integer(),
  ms: float64(),
  referrer: utf8().nullable(),
  agent: utf8(),
  visitor: utf8(),
});

/** /product/12?from=mail -> product */
const areaOf = (url: string): string => new URL(url, 'http://shop.example').pathname.split('/')[1] || 'home';

export default job({
  name: 'log-statistics',
  params: {
    log: Type.String({ default: 'out/access-log' }),
    out: Type.String({ default: 'out/log-statistics' }),
    overwrite: Type.Boolean({ default: false }),
  },
  build(flow, p) {
    const hits = flow
      .read(json(p.log, { schema: requests, rejects: `${p.out}/rejects.csv` }), 'log')
      .filter((t) => t.agent.includes('Bot').not())
      .derive((t) => ({ day: t.time.date() }));

    const days = hits
      .groupBy('day')
      .aggregate((t) => ({
        requests: count(),
        visitors: t.visitor.countDistinct(),
        failed: count().filter(t.status.gte(500)),
        bytes: t.bytes.sum(),
        meanMs: t.ms.avg(),
        slowestMs: t.ms.max(),
      }))
      .orderBy('day');
    days.write(csv(`${p.out}/days.csv`, { overwrite: p.overwrite }), 'days');

    hits
      .filter((t) => t.status.lt(400))
      .deriveRows({ area: utf8(), from: utf8() }, ({ url, referrer }) => ({
        area: areaOf(url),
        from: (referrer === null ? null : URL.parse(referrer)?.host) ?? 'direct',
      }))
      .groupBy('day', 'area', 'from')
      .aggregate(() => ({ requests: count() }))
      .orderBy('day', desc('requests'), 'area', 'from')
      .write(json(`${p.out}/areas.ndjson`, { overwrite: p.overwrite }), 'areas');

    return days;
  },
});
