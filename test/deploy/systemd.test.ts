// The units: read by systemd where it is there, and in any case no key is misspelt, what they start is a verb with the keys of the
// files beside them, and they are locked down.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TObject } from 'typebox';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const beside = (name: string): string => join(root, 'deploy/systemd', name);
const folder = mkdtempSync(join(tmpdir(), 'sluice-units-'));
after(() => rmSync(folder, { recursive: true }));

/** Section, key and value of every line; a key may come again. */
function unitOf(text: string): [section: string, key: string, value: string][] {
  let section = '';
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return [];
    const head = /^\[(\w+)\]$/.exec(line);
    if (head) section = head[1]!;
    else assert.match(line, /^[A-Z]\w+=/, line);
    const at = line.indexOf('=');
    return head ? [] : [[section, line.slice(0, at), line.slice(at + 1)] as [string, string, string]];
  });
}

/** What systemd says of a unit whose program is there; null where there is no systemd. */
function verified(name: string, text: string): string | null {
  const path = join(folder, name);
  writeFileSync(path, text.replace('/usr/local/bin/sluice', process.execPath));
  const { error, stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
  // It looks at all units of the machine: only what it says of this one counts.
  return error
    ? null
    : `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.includes(name))
        .join('\n');
}

for (const name of ['manager', 'worker'] as const) {
  const file = `sluice-${name}.service`;
  const text = readFileSync(beside(file), 'utf8');
  const unit = unitOf(text);
  const one = (key: string): string => {
    const found = unit.filter(([, known]) => known === key);
    assert.equal(found.length, 1, key);
    return found[0]![2];
  };
  const keys: TObject = name === 'manager' ? ManagerConfig : WorkerConfig;
  const prefix = name === 'manager' ? managerPrefix : workerPrefix;
  const config = loadConfig(keys, prefix, { file: beside(`${name}.json`) }).config as Partial<ManagerConfig & WorkerConfig>;

  test(`systemd finds no fault in ${file}, and finds one that is put there`, () => {
    const said = verified(file, text);
    assert.ok(said === null || said === '', said ?? '');
    const spoilt = verified(file, text.replace('NoNewPrivileges', 'NoNewPriviliges'));
    assert.ok(spoilt === null || spoilt.includes('NoNewPriviliges'), spoilt ?? '');
  });

  test(`${file} starts a verb with the file of keys and the secret, again when it ends`, () => {
    assert.equal(one('ExecStart'), `/usr/local/bin/sluice ${name} --config /etc/sluice/${name}.json --secret-file %d/secret`);
    assert.equal(one('LoadCredential'), 'secret:/etc/sluice/secret');
    assert.equal(one('Restart'), 'always');
    assert.equal(one('StateDirectory'), `sluice/${name}`);
    for (const path of config.dataDirs ?? [config.dataDir]) assert.equal(path, `/var/lib/${one('StateDirectory')}`);
    // A file's keys come before the environment's.
    assert.ok(unit.every(([, key]) => key !== 'Environment'));
    // A second SIGTERM, which systemd would send to each shard, ends a worker at once.
    if (name === 'worker') assert.equal(one('KillMode'), 'mixed');
    const stop = Number(one('TimeoutStopSec'));
    assert.ok(name === 'manager' ? stop >= 30 : stop === config.drainTimeoutMs! / 1000 + 30);
  });

  test(`${file} runs as a user of its own, with nothing but its folder and the network`, () => {
    const user = /^u (\w+) - "[^"]*" \/var\/lib\/sluice$/m.exec(readFileSync(beside('sluice.sysusers'), 'utf8'))?.[1];
    assert.equal(one('User'), user);
    assert.equal(one('CapabilityBoundingSet'), '');
    for (const key of ['NoNewPrivileges', 'PrivateTmp', 'PrivateDevices', 'ProtectHome', 'ProtectKernelTunables', 'RestrictNamespaces'])
      assert.equal(one(key), 'yes');
    assert.equal(one('ProtectSystem'), 'strict');
    // Node compiles at run time: it needs memory that can be written and executed.
    assert.ok(unit.every(([, key]) => key !== 'MemoryDenyWriteExecute'));
  });
}
