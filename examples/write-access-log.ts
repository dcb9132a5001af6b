/**
 * Writes the log that log-statistics.ts reads: requests to a web shop over some days, an object on each line as loggers write
 * them today, one gzip file per day. It is made, not recorded, since nobody's visitors belong in a repository, but it behaves
 * like one: days have a morning and a night, a few visitors come often (Zipf), crawlers fetch what is forbidden, one hour on
 * the second day fails, and here and there a line is cut off, as a logger that is killed leaves it. The same seed gives the
 * same bytes on every machine: `node examples/write-access-log.ts DIR [SEED] [REQUESTS PER DAY]`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Numbers in [0, 1) that follow from the seed alone (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const first = Date.UTC(2024, 4, 1);
const dayMs = 86_400_000;
const pages = ['/', '/search?q=tea', '/cart', '/checkout', '/account'];
const browsers = ['Mozilla/5.0 (X11; Linux x86_64) Firefox/126.0', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)', 'curl/8.7.1'];
const crawler = 'Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example/)';

/** Writes the files. @returns their paths */
export function writeAccessLog(folder: string, seed = 1, perDay = 20_000, days = 3): string[] {
  const random = randomOf(seed);
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: days }, (_, day) => {
    const times = Array.from({ length: perDay }, () => {
      // The sum of two is likelier in the middle of the day than at its ends.
      return first + day * dayMs + Math.floor(((random() + random()) / 2) * dayMs);
    }).sort((a, b) => a - b);
    const lines = times.map((at) => {
      const isCrawler = random() < 0.08;
      const visitor = Math.floor(5000 * random() ** 3);
      const url = random() < 0.6 ? `/product/${Math.floor(800 * random() ** 2)}` : pages[Math.floor(random() * pages.length)]!;
      const fails = day === 1 && new Date(at).getUTCHours() === 14 && random() < 0.7;
      const status = fails ? 503 : isCrawler && random() < 0.5 ? 403 : random() < 0.02 ? 404 : 200;
      const line = JSON.stringify({
        level: fails ? 50 : 30,
        time: new Date(at).toISOString(),
        req: { remoteAddress: `10.${visitor >> 8}.${visitor & 255}.7` },
        method: url === '/checkout' ? 'POST' : 'GET',
        url,
        status,
        bytes: status === 200 ? 500 + Math.floor(40_000 * random() ** 2) : 120,
        ms: Math.round(10 * (3 + (fails ? 5000 : 200) * random() ** 4)) / 10,
        ...(random() < 0.3 ? { referrer: random() < 0.5 ? 'https://www.search.example/?q=tea' : 'https://blog.example/tea' } : {}),
        agent: isCrawler ? crawler : browsers[visitor % browsers.length],
        visitor: `v${visitor}`,
      });
      return random() < 0.0005 ? line.slice(0, Math.floor(line.length / 2)) : line;
    });
    const path = join(folder, `access-2024-05-${String(day + 1).padStart(2, '0')}.ndjson.gz`);
    writeFileSync(path, gzipSync(`${lines.join('\n')}\n`));
    return path;
  });
}

if (import.meta.main) {
  const [folder = 'out/access-log', seed = '1', perDay = '20000'] = process.argv.slice(2);
  for (const path of writeAccessLog(folder, Number(seed), Number(perDay))) console.log(path);
}
