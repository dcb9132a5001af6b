/**
 * Seeds that once went wrong: the test of npm test plays them again, beside its three hundred. A seed means the same as long as scenario.ts
 * and the chances of faults.ts do; what it found has a test of its own as well.
 */
export const onceWrong: readonly number[] = [
  // A manager whose disk hung for longer than a lease took its job for left.
  44, 206,
  // Maps that each lacked another replica: no replica had all of a piece.
  5386, 536,
  // A sync after one that had failed was believed.
  551,
  // A manager that could not read its journal again stayed as it was; one that was overtaken sent its callers nowhere.
  366, 1987,
  // A call to take a job over came twice, and fenced who had made it. An older manager found a log too short.
  10130, 10940,
];
