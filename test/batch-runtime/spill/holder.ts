/** A process or a thread that writes to a scratch file in the folder it is told, says so, and stays. */
import { parentPort } from 'node:worker_threads';
import { createScratch } from '#runtime/spill/scratch.ts';

const file = createScratch(process.argv[2] ?? '').create();
file.append(new Uint8Array(100));
if (parentPort === null) process.stdout.write('there\n');
else parentPort.postMessage('there');
setInterval(() => file.read(new Uint8Array(1), 0), 1000);
