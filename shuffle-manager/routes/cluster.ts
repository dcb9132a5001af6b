/**
 * Routes of the cluster as a whole: who it is, who is in it, tokens for others. Paths, schemas and scopes are those of
 * protocol/control.ts; manager.ts answers.
 */
import type { AddCall } from '../protocol/control.ts';

export function addClusterRoutes(add: AddCall): void {
  add('hello', 'Protocol version, cluster id and term');
  add('status', 'Workers, executors and jobs');
  add('mintToken', 'Mints a token for a job of another engine');
}
