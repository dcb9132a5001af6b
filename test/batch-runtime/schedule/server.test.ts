import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createCoordinatorLink } from '#runtime/schedule/link.ts';
import { openCoordinatorServer } from '#runtime/schedule/server.ts';
import { fixture, jobWorld, lease } from './job-world.ts';

test('calls go through with the token of the job and are refused without', async () => {
  const { coordinator } = await jobWorld({ url: fixture('words') });
  let token = '';
  const server = await openCoordinatorServer('127.0.0.1', coordinator, () => token);
  const url = `http://127.0.0.1:${server.port}`;
  const [early, right, wrong] = [createCoordinatorLink(url, ''), createCoordinatorLink(url, 'right'), createCoordinatorLink(url, 'wrong')];
  try {
    await assert.rejects(early.join({ lease: lease(1) }), { code: 'UNAUTHORIZED' });
    token = 'right';
    assert.equal((await right.join({ lease: lease(1) })).module, fixture('words'));
    await assert.rejects(wrong.join({ lease: lease(1) }), { code: 'UNAUTHORIZED' });
    await assert.rejects(right.poll({ lease: 'no lease', slots: 1, waitMs: 0 }), { code: 'REQUEST_INVALID' });
    assert.equal((await right.poll({ lease: lease(1), slots: 1, waitMs: 1_000 })).assignments.length, 1);
  } finally {
    coordinator.close();
    await Promise.all([early.close(), right.close(), wrong.close()]);
    await server.close();
  }
});

test('what is no request of ours is refused by name, and is no failure of the coordinator', async () => {
  const { coordinator } = await jobWorld({ url: fixture('words') });
  const server = await openCoordinatorServer('127.0.0.1', coordinator, () => 'right');
  const post = async (path: string, type: string, body: string) => {
    const headers = { authorization: 'Bearer right', 'content-type': type, connection: 'close' };
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', headers, body });
    return [answer.status, ((await answer.json()) as { code: string }).code];
  };
  try {
    assert.deepEqual(await post('/v1/tasks/join', 'application/json', '{"lease":'), [400, 'REQUEST_INVALID']);
    assert.deepEqual(await post('/v1/tasks/join', 'application/json', '{"__proto__":{}}'), [400, 'REQUEST_INVALID']);
    assert.deepEqual(await post('/v1/tasks/join', 'application/xml', '<lease/>'), [400, 'REQUEST_INVALID']);
    assert.deepEqual(await post('/v1/tasks/../secret', 'application/json', '{}'), [404, 'REQUEST_INVALID']);
  } finally {
    coordinator.close();
    await server.close();
  }
});

test('an executor whose connection closes while it waits is lost at once, and its task runs elsewhere', async () => {
  const { coordinator, serve } = await jobWorld({ url: fixture('words') });
  const server = await openCoordinatorServer('127.0.0.1', coordinator, () => 'right');
  try {
    const taken = await coordinator.poll({ lease: lease(1), slots: 1, waitMs: 1_000 });
    assert.equal(taken.assignments.length, 1);
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    const body = JSON.stringify({ lease: lease(1), slots: 1, waitMs: 60_000 });
    await promisify((text: string, done: (error?: Error | null) => void) => socket.write(text, done))(
      `POST /v1/tasks/poll HTTP/1.1\r\nhost: a\r\nauthorization: Bearer right\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    socket.destroy();
    const served = serve(lease(2));
    await coordinator.finished;
    assert.equal(coordinator.summary().tasksRerun, 1);
    coordinator.close();
    await served;
  } finally {
    coordinator.close();
    await server.close();
  }
});
