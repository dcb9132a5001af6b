import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Type } from 'typebox';
import { configKeys, explainConfig, loadConfig } from '#manager/process/load-config.ts';
import type { SluiceError } from '#manager/protocol/errors.ts';

const schema = Type.Object(
  {
    host: Type.String({ default: '127.0.0.1', description: 'Where.' }),
    port: Type.Integer({ default: 1, minimum: 0, maximum: 65535, description: 'Which.' }),
    isLoud: Type.Boolean({ default: false, description: 'Whether.' }),
    dataDirs: Type.Array(Type.String(), { default: ['a'], description: 'Folders.' }),
    mode: Type.Union([Type.Literal('x'), Type.Literal('y')], { default: 'x', description: 'How.' }),
  },
  { additionalProperties: false },
);
const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test('each source goes over the one before, and each key says where it came from', () => {
  const path = file('good.json', '{"port": 2, "host": "a", "mode": "y"}');
  const environment = { T_PORT: '3', T_DATA_DIRS: 'b,c', T_IS_LOUD: 'true' };
  const { config, rows } = loadConfig(schema, 'T', { file: path, environment, flags: { port: '4', host: undefined } });
  assert.deepEqual(config, { host: 'a', port: 4, isLoud: true, dataDirs: ['b', 'c'], mode: 'y' });
  assert.deepEqual(
    rows.map((row) => [row.key, row.source]),
    [
      ['host', path],
      ['port', '--port'],
      ['isLoud', 'T_IS_LOUD'],
      ['dataDirs', 'T_DATA_DIRS'],
      ['mode', path],
    ],
  );
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.dataDirs));
  const text = explainConfig(rows);
  assert.equal(text.split('\n').length, 5);
  assert.match(text, /^port +4 +--port +Which\.$/m);
});

test('defaults alone are valid, and are not shared between loads', () => {
  assert.deepEqual(loadConfig(schema, 'T').config, { host: '127.0.0.1', port: 1, isLoud: false, dataDirs: ['a'], mode: 'x' });
  assert.notEqual(loadConfig(schema, 'T').config.dataDirs, loadConfig(schema, 'T').config.dataDirs);
});

test('all faults are named at once, with their sources', () => {
  const path = file('bad.json', '{"prot": 2, "mode": "z"}');
  assert.throws(
    () => loadConfig(schema, 'T', { file: path, environment: { T_PORT: '70000', T_IS_LOUD: 'yes' }, flags: { hots: 'x' } }),
    (error: SluiceError) => {
      assert.equal(error.code, 'CONFIG_INVALID');
      for (const word of ['prot', path, 'mode', 'port (T_PORT)', 'isLoud (T_IS_LOUD)', '--hots']) assert.ok(error.message.includes(word), word);
      return true;
    },
  );
});

test('a file that is missing, no JSON or no object is a fault', () => {
  for (const path of [join(folder, 'absent.json'), file('broken.json', '{'), file('list.json', '[]')]) {
    assert.throws(() => loadConfig(schema, 'T', { file: path }), { code: 'CONFIG_INVALID' });
  }
});

test('keys are what the documents show', () => {
  const [, port, , , mode] = configKeys(schema, 'T');
  assert.deepEqual(port, { key: 'port', type: 'integer', default: 1, variable: 'T_PORT', sentence: 'Which.' });
  assert.equal(mode?.type, '"x" or "y"');
  assert.throws(() => configKeys(Type.Object({ bare: Type.String() }), 'T'), /needs a default/);
});
