/** `sluice token`: mints a job token for another engine, such as Spark. */
import { clusterFlags, connect } from './cluster.ts';
import { readArgs, usage, type Verb } from './verb.ts';

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function duration(text: string): number {
  const found = /^(\d+)(s|m|h|d)$/.exec(text);
  if (found === null) throw usage(`--expires takes a duration like 30m, 24h or 7d, not '${text}'`);
  return Number(found[1]) * (units[found[2] ?? ''] ?? 0);
}

export const verb: Verb = {
  help: `Usage: sluice token [--cluster URL] [--token-file FILE] [--expires 24h]

Opens a job for another engine at the cluster and prints its token. Keep it like a password.

Example: SLUICE_TOKEN=$(sluice token --expires 24h)
`,
  async run(args) {
    const { values } = readArgs(args, { ...clusterFlags, expires: { type: 'string', default: '24h' } });
    const expiresMs = duration(values.expires);
    await using manager = await connect(values);
    const { token } = await manager.mintToken({ name: 'token', expiresMs });
    process.stdout.write(`${token}\n`);
    return 0;
  },
};
