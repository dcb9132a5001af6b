/**
 * Cleaning a CSV file: ten thousand real reports of birds struck by aircraft. Reports that lack the speed do not fit the
 * declared columns and go to `rejects.csv`, each with its line and what was wrong; the others get short names, one spelling of
 * each operator, and damage as a word or nothing. `sluice run examples/bird-strikes.ts --param out=DIR` runs it.
 */
import { fileURLToPath } from 'node:url';
import { count, csv, date, desc, int32, job, parquet, schema, Type, utf8 } from 'sluice';

// The package hides its data folder, but not where it is.
const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));

const reports = schema({
  'Airport Name': utf8(),
  'Aircraft Make Model': utf8(),
  'Effect Amount of damage': utf8(),
  'Flight Date': date(),
  'Aircraft Airline Operator': utf8(),
  'Phase of flight': utf8(),
  'Wildlife Species': utf8(),
  'Cost Total $': int32(),
  'Speed IAS in knots': int32(),
});
const damages = ['Minor', 'Medium', 'Substantial'];

export default job({
  name: 'bird-strikes',
  params: {
    reports: Type.String({ default: `${data}birdstrikes.csv` }),
    out: Type.String({ default: 'out/bird-strikes' }),
    overwrite: Type.Boolean({ default: false }),
  },
  build(flow, p) {
    const strikes = flow
      .read(csv(p.reports, { schema: reports, rejects: `${p.out}/rejects.csv` }), 'reports')
      .rename({
        'Airport Name': 'airport',
        'Aircraft Make Model': 'aircraft',
        'Effect Amount of damage': 'effect',
        'Flight Date': 'day',
        'Aircraft Airline Operator': 'operator',
        'Phase of flight': 'phase',
        'Wildlife Species': 'species',
        'Cost Total $': 'dollars',
        'Speed IAS in knots': 'knots',
      })
      // A star marks an operator that has since been taken over; codes that no list explains are no damage anybody knows.
      .deriveRows({ operator: utf8(), damage: utf8().nullable() }, ({ operator, effect }) => ({
        operator: operator.replace(/\*$/, '').trim(),
        damage: damages.includes(effect) ? effect.toLowerCase() : null,
      }))
      .drop('effect');
    strikes.write(parquet(`${p.out}/strikes`, { overwrite: p.overwrite }), 'strikes');

    return strikes
      .groupBy('phase')
      .aggregate((t) => ({ strikes: count(), damaging: t.damage.count(), dollars: t.dollars.sum(), meanKnots: t.knots.avg() }))
      .orderBy(desc('strikes'), 'phase');
  },
});
