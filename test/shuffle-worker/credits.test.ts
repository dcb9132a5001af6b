import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { type CreditAccount, Credits } from '#worker/credits.ts';
import { createStoreMemory } from '#worker/store/memory.ts';

const isCorrupt = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'CORRUPT_FRAME';

test('property: in use and granted are never more than the arena, and nobody is granted twice', () => {
  const memory = createStoreMemory(MiB);
  const step = fc.tuple(fc.constantFrom('want', 'send', 'give', 'free', 'close', 'refill'), fc.nat(5), fc.nat(200 * KiB));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const credits = new Credits(memory);
      const accounts: (CreditAccount | null)[] = [null, null, null, null, null, null];
      /** What each client thinks it has. */
      const has = accounts.map(() => 0);
      const frames: { address: number; length: number }[] = [];
      for (const [what, who, bytes] of steps) {
        const account =
          accounts[who] ??
          credits.open((granted) => {
            has[who]! += granted;
          });
        if (accounts[who] === null) has[who] = account.outstanding;
        accounts[who] = account;
        const length = Math.min((bytes >> 3) << 3, has[who]!);
        if (what === 'want') credits.want(account, bytes + 8, memory.maxBlockBytes + 64);
        else if (what === 'close') {
          credits.close(account);
          accounts[who] = null;
          has[who] = 0;
        } else if (what === 'refill') has[who]! += credits.refill(account);
        else if (what === 'free') {
          const [frame] = frames.splice(bytes % Math.max(frames.length, 1), 1);
          if (frame) memory.arena.free(frame.address, frame.length);
          credits.pump();
        } else if (length > 0) {
          has[who]! -= length;
          if (what === 'give') credits.giveBack(account, length);
          else {
            credits.spend(account, length);
            const address = memory.arena.allocate(length);
            if (address >= 0) frames.push({ address, length });
          }
        }
        assert.ok(credits.committedBytes <= memory.arenaBytes, `${credits.committedBytes}`);
        for (const [i, one] of accounts.entries()) if (one) assert.equal(one.outstanding, has[i]);
        assert.equal(
          credits.outstandingBytes,
          accounts.reduce((sum, one) => sum + (one?.outstanding ?? 0), 0),
        );
      }
      for (const { address, length } of frames) memory.arena.free(address, length);
    }),
    { numRuns: 150 },
  );
});

test('who asks first is served first; a large wish is not split and not overtaken', () => {
  const memory = createStoreMemory(MiB);
  const credits = new Credits(memory);
  const got: string[] = [];
  const open = (name: string) => credits.open((bytes) => got.push(`${name} ${bytes / KiB}`));
  const [a, b, c] = [open('a'), open('b'), open('c')];
  const held = memory.arena.allocate(900 * KiB);
  credits.want(a, 128 * KiB, MiB);
  credits.want(b, 8 * KiB, MiB);
  credits.want(a, 8 * KiB, MiB);
  assert.deepEqual([got, credits.isShort, credits.waiting.length], [[], true, 2]);
  memory.arena.free(held, 900 * KiB);
  credits.pump();
  assert.deepEqual(got, ['a 136', 'b 8']);
  credits.close(c);
  assert.equal(credits.isShort, false);
  assert.equal(credits.outstandingBytes, a.outstanding + b.outstanding);
});

test('more than was granted is refused, and not counted', () => {
  const credits = new Credits(createStoreMemory(MiB));
  const account = credits.open(() => {});
  const before = account.outstanding;
  assert.throws(() => credits.spend(account, before + 8), isCorrupt);
  assert.throws(() => credits.giveBack(account, before + 8), isCorrupt);
  assert.equal(account.outstanding, before);
});

test('idle grants take an eighth of the arena at most; the others begin with nothing and may ask', () => {
  const memory = createStoreMemory(MiB);
  const credits = new Credits(memory);
  const accounts = Array.from({ length: 40 }, () => credits.open(() => {}));
  assert.ok(credits.outstandingBytes <= memory.arenaBytes / 8);
  const late = accounts.at(-1)!;
  assert.deepEqual([late.idle, late.outstanding], [false, 0]);
  credits.want(late, 4096, MiB);
  assert.equal(late.outstanding, 4096);
  assert.equal(credits.refill(late), 0);
  // A place that is given up serves the next one.
  credits.close(accounts[0]!);
  assert.equal(credits.open(() => {}).idle, true);
});

test('an idle grant is filled up again when half of it is used, not while others wait', () => {
  const memory = createStoreMemory(MiB);
  const credits = new Credits(memory);
  const account = credits.open(() => {});
  const grant = account.outstanding;
  credits.spend(account, grant / 4);
  assert.equal(credits.refill(account), 0);
  credits.spend(account, grant / 4);
  assert.equal(credits.refill(account), grant / 2);
  credits.spend(account, grant);
  const other = credits.open(() => {});
  memory.arena.allocate(930 * KiB);
  credits.want(other, 128 * KiB, MiB);
  assert.equal(credits.isShort, true);
  assert.equal(credits.refill(account), 0);
});
