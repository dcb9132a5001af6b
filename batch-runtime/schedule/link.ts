/**
 * The coordinator over HTTP, as an executor's thread sees it: undici behind the CoordinatorLink. A call that finds no
 * coordinator fails with CONNECTION_LOST: the job is over then, and so is the lease.
 */
import { Agent } from 'undici';
import { type ErrorJson, fromJson, SluiceError } from '#manager/protocol/errors.ts';
import { type CoordinatorLink, coordinatorCalls } from './messages.ts';

export interface RemoteLink extends CoordinatorLink {
  close(): Promise<void>;
}

export function createCoordinatorLink(url: string, token: string): RemoteLink {
  const dispatcher = new Agent({ connections: 4, headersTimeout: 60_000, bodyTimeout: 60_000, keepAliveTimeout: 60_000 });
  const { origin } = new URL(url);
  const post = async (path: string, body: object, signal?: AbortSignal): Promise<unknown> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    try {
      const answer = await dispatcher.request({ origin, path, method: 'POST', headers, body: JSON.stringify(body), signal: signal ?? null });
      const json = (await answer.body.json()) as unknown;
      if (answer.statusCode !== 200) throw fromJson(json as ErrorJson);
      return json;
    } catch (thrown) {
      if (thrown instanceof SluiceError) throw thrown;
      throw new SluiceError('CONNECTION_LOST', { what: `the coordinator at ${url} (${(thrown as Error).message})` }, { cause: thrown });
    }
  };
  const call = (name: keyof typeof coordinatorCalls) => (body: object, signal?: AbortSignal) => post(coordinatorCalls[name].path, body, signal);
  const link = { join: call('join'), poll: call('poll'), report: call('report') } as unknown as CoordinatorLink;
  return { ...link, close: () => dispatcher.destroy() };
}
