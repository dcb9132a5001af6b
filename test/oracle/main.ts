/** `npm run oracle -- --seed S --cases N [--case K] [--plant] [--drivers memory,local]`: the last line is the verdict, exit 0 if it holds. */
import { parseArgs } from 'node:util';
import { type DriverName, drivers } from './drivers.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    cases: { type: 'string', default: '50' },
    case: { type: 'string' },
    drivers: { type: 'string', default: drivers.join(',') },
    plant: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
if (values.plant) {
  const { plant } = await import('./plant.ts');
  console.log(`planted: ${plant(seed)}`);
}
// After the plant: what it breaks must not be loaded yet.
const { runOracle, shortOf } = await import('./oracle.ts');
const verdict = await runOracle({
  seed,
  cases: Number(values.cases),
  only: values.case === undefined ? null : Number(values.case),
  drivers: values.drivers.split(',') as DriverName[],
  tell: (text) => console.log(`${text}\n`),
});
const short = values.case === undefined ? shortOf(verdict) : shortOf(verdict).slice(0, verdict.wrong === 0 ? 0 : 1);
for (const what of short) console.log(what);
console.log(JSON.stringify(verdict));
process.exitCode = short.length === 0 ? 0 : 1;
