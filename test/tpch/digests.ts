/** Writes digests.json: what DuckDB answers to TPC-H over the files of tpchgen-cli. `node test/tpch/digests.ts`, when one of the two has changed. */
import { writeFileSync } from 'node:fs';
import { installTpch, tpchgen } from '../spark/install.ts';
import { digestOf, duckdbAnswers } from './answers.ts';

const scales = [0.01, 1];
const digests: Record<string, Record<string, string>> = {};
for (const scale of scales) {
  const answers = await duckdbAnswers(await installTpch(scale), scale);
  digests[`sf${scale}`] = Object.fromEntries([...answers].map(([name, answer]) => [name, digestOf(answer)]));
}
writeFileSync(new URL('./digests.json', import.meta.url), `${JSON.stringify({ tpchgen, ...digests }, null, 2)}\n`);
