/**
 * Routes of shuffles: open, commit, layout, loss, release. Paths, schemas and scopes are those of protocol/control.ts;
 * manager.ts answers.
 */
import type { AddCall } from '../protocol/control.ts';

export function addShuffleRoutes(add: AddCall): void {
  add('openShuffle', 'Opens a shuffle run and places it');
  add('resolveShuffle', 'The current run of a shuffle at a stage attempt');
  add('commit', 'Commits the output of one map attempt; the first one wins');
  add('layout', 'Locations, winners and version of a shuffle; long poll');
  add('lost', 'Reports cells that could not be read');
  add('release', 'Releases a shuffle');
}
