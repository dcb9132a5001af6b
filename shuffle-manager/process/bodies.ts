/**
 * How Fastify checks the bodies of requests here: by typebox, with what is compiled at a call's first request. What Fastify would check
 * and write with otherwise is never loaded. Used by the servers of manager and coordinator.
 */
import type { FastifyServerOptions } from 'fastify';
import { Compile } from 'typebox/schema';
import { SluiceError } from '../protocol/errors.ts';

type Schema = Parameters<typeof Compile>[0];
type Fault = Error & { validation?: unknown };

/** The option `schemaController` of a server. Answers are what a core has made; their schemas are for documents. */
export const bodies: NonNullable<FastifyServerOptions['schemaController']> = {
  compilersFactory: {
    buildValidator: () => (({ schema }: { schema: Schema }) => checkOf(schema)) as never,
    buildSerializer: () => () => (value: unknown) => JSON.stringify(value),
  },
};

function checkOf(schema: Schema): (value: unknown) => { value: unknown } | { error: Fault } {
  let check: ReturnType<typeof Compile> | undefined;
  return (value) => {
    check ??= Compile(schema);
    return check.Check(value) ? { value } : { error: faultOf(check.Errors(value)[1]) };
  };
}

/** The first fault is the deepest one: the others follow from it. */
function faultOf(faults: readonly { instancePath: string; message: string }[]): Fault {
  const first = faults[0];
  const where = first?.instancePath ? first.instancePath.slice(1).replaceAll('/', '.') : 'the body';
  return new SluiceError('REQUEST_INVALID', { what: `${where} ${first?.message ?? 'does not fit'}` });
}
