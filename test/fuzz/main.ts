/** `npm run fuzz -- --frames N --seed S`: hostile frames and requests; exits 0 only when nothing happened that must not. */
import { runProgram } from '../../bench/harness.ts';
import { fuzz } from './fuzz.ts';

const flagTable = {
  frames: { default: 1e7, sentence: 'frames and requests in all' },
  seed: { default: 1, sentence: 'which ones' },
} as const;

process.exitCode = await runProgram(
  'npm run fuzz',
  process.argv.slice(2),
  flagTable,
  ['seed', 'frames', 'faults', 'ways', 'reached', 'peakRssBytes', 'seconds'],
  async ({ frames, seed }) => {
    const began = performance.now();
    const { faults, ways, reached, peakRssBytes, frames: sent } = await fuzz(frames, seed, true, (text) => console.error(text));
    for (const [message, answers] of Object.entries(reached)) console.error(message.padEnd(30), JSON.stringify(answers));
    const seconds = Math.round((performance.now() - began) / 1000);
    return { right: faults === 0, result: { seed, frames: sent, faults, ways, reached, peakRssBytes, seconds } };
  },
);
