/** `sluice bench shuffle`: measures shuffle throughput on this machine or on a running cluster; the same program as `npm run bench -- shuffle`. */
import { shuffleBench } from '../../bench/shuffle.ts';
import { credentialFor } from './credentials.ts';
import { usage, type Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice bench shuffle [--cluster URL] [--block-bytes N] [--gigabytes N] [--writers N] [--readers N] [--json]

Writes and reads blocks through real shuffle workers, embedded or of a running cluster, and prints MB/s, CPU per GB and the
result's hash. The last line of stdout is one JSON object.

Example: sluice bench shuffle --block-bytes 16384 --gigabytes 2
`,
  run(args) {
    const [what, ...rest] = args;
    if (what !== 'shuffle') throw usage(`sluice bench takes one word: shuffle, not '${what ?? ''}'`);
    const at = rest.indexOf('--cluster');
    if (at >= 0 && process.env['SLUICE_TOKEN'] === undefined) process.env['SLUICE_TOKEN'] = credentialFor(rest[at + 1], undefined).token;
    return shuffleBench(rest);
  },
};
