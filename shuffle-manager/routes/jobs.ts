/**
 * Routes of jobs: their ids, leases and slots. Paths, schemas and scopes are those of protocol/control.ts; manager.ts
 * answers.
 */
import type { AddCall } from '../protocol/control.ts';

export function addJobRoutes(add: AddCall): void {
  add('openJob', 'Opens a job and mints its token');
  add('keepJob', 'Keeps a job alive and tells which slots it has; long poll');
  add('closeJob', 'Ends a job: frees its slots, releases its shuffles');
  add('logJob', 'Keeps what a coordinator has decided');
  add('readJobLog', 'Tells what coordinators have decided');
  add('resumeJob', 'Lets another coordinator take a job over');
}
