/**
 * Seeds that once went wrong: the test of npm test plays them again, beside its three hundred. A seed means the same as long as scenario.ts
 * and the chances of faults.ts do; what it found has a test of its own as well.
 */
export const onceWrong: readonly number[] = [
  // A manager whose disk hung for longer than a lease took its job for left.
  44, 206,
];
