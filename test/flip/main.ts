/** `npm run flip -- --n 500 --seed S`: harms what workers keep and send; exits 0 only when nothing came out wrong. */
import { runProgram } from '../../bench/harness.ts';
import { flip, isRight } from './flip.ts';

const flagTable = {
  n: { default: 500, sentence: 'runs, each harmed once' },
  seed: { default: 1, sentence: 'what is harmed, where and how' },
} as const;

process.exitCode = await runProgram(
  'npm run flip',
  process.argv.slice(2),
  flagTable,
  ['seed', 'n', 'hit', 'right', 'typed', 'wrong', 'crashed'],
  async ({ n, seed }) => {
    const tally = await flip(seed, n, (text) => console.error(text));
    return { right: isRight(tally), result: { ...tally } };
  },
);
