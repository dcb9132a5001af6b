/**
 * `npm run bench -- NAME [flags]`: one program a name, each with a seed or flags and one JSON line at the end of stdout. The
 * exit code says whether its answers were right, never whether it was fast.
 */
const programs: Readonly<Record<string, () => Promise<(args: readonly string[]) => Promise<number>>>> = {
  shuffle: async () => (await import('./shuffle.ts')).shuffleBench,
  integrity: async () => (await import('./integrity.ts')).integrity,
  ledger: async () => (await import('./ledger.ts')).ledger,
  spark: async () => (await import('./spark.ts')).spark,
  etl: async () => (await import('./etl.ts')).etl,
  'beyond-memory': async () => (await import('./beyond-memory.ts')).beyondMemory,
  flights: async () => (await import('./flights.ts')).flights,
};

const [name, ...args] = process.argv.slice(2);
const load = name !== undefined && Object.hasOwn(programs, name) ? programs[name] : undefined;
if (load === undefined) {
  process.stderr.write(`npm run bench -- NAME [flags], where NAME is one of ${Object.keys(programs).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const run = await load();
  process.exitCode = await run(args);
}
