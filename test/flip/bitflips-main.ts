/** `npm run bitflips`: every bit of a 64 KiB segment flipped and every end cut off; exits 0 only when none was missed. */
import { runProgram } from '../../bench/harness.ts';
import { bitflips } from './bitflips.ts';

const flagTable = {
  step: { default: 1, sentence: 'each so many bits and lengths' },
} as const;

// Two hundred thousand errors are made, and nobody looks at where.
Error.stackTraceLimit = 0;
process.exitCode = await runProgram(
  'npm run bitflips',
  process.argv.slice(2),
  flagTable,
  ['flips', 'cuts', 'reads', 'byPlace', 'byCut', 'misses', 'seconds'],
  async ({ step }) => {
    const began = performance.now();
    const found = await bitflips({ step, say: (text) => console.error(text) });
    for (const [place, row] of Object.entries(found.byPlace)) console.error(place.padEnd(14), JSON.stringify(row));
    const seconds = Math.round((performance.now() - began) / 1000);
    return { right: found.misses === 0, result: { ...found, seconds } };
  },
);
