// Version 1 is out: its bytes do not change any more, whatever encoders and decoders agree on. docs/PROTOCOL.md, Versions.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { protocolVersion } from '#manager/protocol/ids.ts';
import type { GoldenName } from './golden.ts';

const frozen: Readonly<Record<GoldenName, string>> = {
  block: 'f0114f36e597f601d8ba13196f02140aab939caea801bb8fe7910d7ffebdb7bb',
  frames: 'c511a5886e7d2a16a2f99af964bf64f04d5243f1bdf7d98b30aed4dffbdce804',
  manifest: '1629822c60e67f662fc9562592ad83d3e2e2e959a7164f9e2e123862219bcb93',
  region: '91ff02c30ee346047b49e738b7e20c3425d1be3d8e7f451807b9399f7acd58e2',
  segment: 'b1100f188d40bd795209ed89ce88836e37b34b03dab67648356562e245d9e0a5',
};

test('the vectors of version 1 are those it was released with', () => {
  assert.equal(protocolVersion, 1, 'a new version has vectors of its own, beside these');
  for (const [name, hash] of Object.entries(frozen)) {
    const bytes = readFileSync(new URL(`${name}.json`, import.meta.url));
    assert.equal(createHash('sha256').update(bytes).digest('hex'), hash, `${name}.json: other bytes are another version`);
  }
});
