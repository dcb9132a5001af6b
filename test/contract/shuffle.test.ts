/** The table of drivers: a new one is one line here, and a world beside it. */

import { GiB } from '#manager/protocol/ids.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import { testShuffle } from './shuffle.ts';

testShuffle('memory', async () => {
  const driver = createMemoryShuffle({ budgetBytes: GiB });
  return { driver, another: async () => driver, close: () => driver.close() };
});
