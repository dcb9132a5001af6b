/**
 * Disks of their own for members, small, so that they can be full, and slow: an ext4 in memory behind a loop device. Full: a file takes
 * what is left. Slow: every write waits for the device (mount option sync), and the device takes few bytes a second (blkio). Only
 * inside the namespaces of world.ts; elsewhere a folder is a folder.
 */
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { system } from './world.ts';

export interface Mounted {
  fill(): void;
  empty(): void;
  slow(): void;
  hurry(): void;
  /** Whether the system lets a device be slowed down here. */
  readonly canBeSlow: boolean;
}

const sizeMiB = 96;
/** Of a slow disk; a loop device is otherwise as fast as memory. */
const slowBytesPerSecond = 256 * 1024;
const throttles = ['read', 'write'].map((way) => `/sys/fs/cgroup/blkio/blkio.throttle.${way}_bps_device`);

/** The kinds of faults that such a disk can have. */
export const mountedKinds = (disk: Mounted | null): readonly ('full' | 'slow')[] =>
  disk === null ? [] : disk.canBeSlow ? ['full', 'slow'] : ['full'];

/** Lets go of what was mounted below `folder`, so that it can be removed. */
export function unmountDisks(folder: string): void {
  for (const mounted of system('findmnt', '-rn', '-o', 'TARGET').split('\n').toReversed())
    if (mounted.startsWith(`${folder}/`)) system('umount', '-l', mounted);
}

/** Mounts a disk at `folder`, whose image is in `images`. */
export function mountDisk(images: string, folder: string): Mounted {
  mkdirSync(folder, { recursive: true });
  if (!existsSync(images)) {
    mkdirSync(images);
    system('mount', '-t', 'tmpfs', '-o', 'size=1g', 'tmpfs', images);
  }
  const image = join(images, basename(folder));
  system('truncate', '-s', `${sizeMiB}M`, image);
  system('mkfs.ext4', '-q', '-m', '0', '-O', '^has_journal', image);
  system('mount', '-o', 'loop', image, folder);
  const device = system('findmnt', '-n', '-o', 'MAJ:MIN', folder);
  const throttle = (bytes: number): void => {
    for (const path of throttles) writeFileSync(path, `${device} ${bytes}`);
  };
  const filler = join(folder, 'filler');
  let canBeSlow = true;
  try {
    throttle(0);
  } catch {
    canBeSlow = false;
  }
  return {
    canBeSlow,
    fill() {
      const file = openSync(filler, 'w');
      try {
        for (let length = 1024 * 1024; length >= 4096; ) {
          try {
            writeSync(file, Buffer.alloc(length));
          } catch {
            length /= 2;
          }
        }
      } finally {
        closeSync(file);
      }
    },
    empty: () => rmSync(filler, { force: true }),
    slow() {
      system('mount', '-o', 'remount,sync', folder);
      throttle(slowBytesPerSecond);
    },
    hurry() {
      throttle(0);
      system('mount', '-o', 'remount,async', folder);
    },
  };
}
