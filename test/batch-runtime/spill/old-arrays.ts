/** Run in a thread by reclaim.test.ts: says how many MiB of arrays there are, and how often all was collected, at each step. */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { createReclaimer, freeAll } from '#runtime/spill/reclaim.ts';

const MiB = 1024 * 1024;
setFlagsFromString('--expose-gc');
setFlagsFromString('--external-memory-accounted-in-global-limit');
const collectYoung = runInNewContext("() => gc({ type: 'minor' })") as () => void;
const before = getHeapStatistics().external_memory;
const has = (): number => Math.round((getHeapStatistics().external_memory - before) / MiB);

/** Arrays of a MiB that have seen two collections of the young, and so are not young any more. */
function old(count: number): readonly Uint8Array[] {
  const arrays = Array.from({ length: count }, () => new Uint8Array(MiB));
  collectYoung();
  collectYoung();
  return arrays;
}

let whole = 0;
const observer = new PerformanceObserver((list) => count(list.getEntries()));
observer.observe({ entryTypes: ['gc'] });
function count(entries: readonly PerformanceEntry[]): void {
  for (const { detail } of entries as readonly { detail?: { kind: number } }[]) if (detail?.kind !== constants.NODE_PERFORMANCE_GC_MINOR) whole++;
}

old(64);
const made = has();
freeAll();
const freed = has();
const reclaim = createReclaimer(2 ** 40);
old(64);
reclaim();
const few = has();
old(40);
await sleep(12);
reclaim();
const many = has();
await sleep(20);
whole = 0;
const held = old(160);
for (let task = 0; task < 5; task++) {
  createReclaimer(2 ** 40)();
  old(5);
}
await sleep(20);
const once = whole;
// 60 MiB more than what was found alive: that it may grow by, being twice what is enough.
old(35);
await sleep(12);
createReclaimer(2 ** 40)();
await sleep(20);
parentPort?.postMessage({ made, freed, few, many, whole: once, again: whole - once, held: held.length });
