/** A client of the manager for verbs that ask a cluster which runs already: status, jobs, cancel, drain, token. */
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { credentialFor } from './credentials.ts';

/** Of every such verb. */
export const clusterFlags = { cluster: { type: 'string' }, 'token-file': { type: 'string' } } as const;

interface ClusterFlags {
  readonly cluster?: string | undefined;
  readonly 'token-file'?: string | undefined;
}

/** Of the cluster that the flags name; closed with the scope it is used in. @throws CLUSTER_UNREACHABLE · UNAUTHORIZED · USAGE */
export async function connect(flags: ClusterFlags): Promise<ManagerClient & AsyncDisposable> {
  const { url, token } = credentialFor(flags.cluster, flags['token-file']);
  const client = await connectManager({
    urls: url.split(','),
    token: tokenSource(token, () => systemClock.wall()),
    clock: systemClock,
    random: systemRandom,
  });
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}
