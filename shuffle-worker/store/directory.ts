/**
 * The segment files of one data folder: where the next region goes, which segments are free again, and reading what stands
 * in them. Segments are preallocated once and recycled, never removed while the worker runs, since a fresh page of a file
 * costs ten times a used one. What a region says is region.ts; which shuffles it holds is the store's matter.
 */

import type { Disk, DiskFile } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { pageBytes } from './region.ts';
import { encodeSegmentHead } from './segment.ts';

export interface DirectoryOptions {
  readonly disk: Disk;
  /** 32 hex digits, made with the folder. */
  readonly id: string;
  readonly cluster: string;
  readonly segmentBytes: number;
  /** Asked before a segment is made: false when the worker's disk budget is used up. */
  readonly mayGrow: (bytes: number) => boolean;
}

export interface Segment {
  readonly number: number;
  readonly file: DiskFile;
  /** Of the directory's uses, which this is; 0 = none yet. */
  use: number;
  /** Where the next region begins. */
  at: number;
  /** Regions in it that are still wanted, one that is being written included. */
  regions: number;
  /** Written since the last sync. */
  unsynced: boolean;
  /** A sync failed: nothing is written to it again. */
  failed: boolean;
}

/** Where a region goes. */
export interface RegionPlace {
  readonly segment: Segment;
  readonly use: number;
  /** A multiple of 4096. */
  readonly offset: number;
}

export const segmentFolder = 'segments';
export const segmentPath = (number: number): string => `${segmentFolder}/${number.toString().padStart(8, '0')}.segment`;

export class Directory {
  readonly options: DirectoryOptions;
  readonly segments: Segment[];
  #current: Segment | null = null;
  #use: number;
  #nextNumber: number;
  #syncing: Promise<void> = Promise.resolve();
  /** A disk error that is not lack of space: new streams go elsewhere. */
  failed = false;

  /** `segments` as recovery found them; none in a new folder. */
  constructor(options: DirectoryOptions, segments: Segment[] = []) {
    this.options = options;
    this.segments = segments;
    this.#use = segments.reduce((most, segment) => Math.max(most, segment.use), 0);
    this.#nextNumber = segments.reduce((most, segment) => Math.max(most, segment.number + 1), 0);
  }

  get diskBytes(): number {
    return this.segments.length * this.options.segmentBytes;
  }
  /** Bytes a region may have. */
  get regionRoom(): number {
    return this.options.segmentBytes - pageBytes;
  }

  /** Takes the place of a region of `bytes`. @throws NO_SPACE, DISK_FAILED */
  async place(bytes: number): Promise<RegionPlace> {
    const { segmentBytes } = this.options;
    const current = this.#current;
    if (!current || current.failed || current.at + bytes > segmentBytes) {
      this.#current = null;
      this.#current = await this.#begin();
    }
    const segment = this.#current!;
    const place = { segment, use: segment.use, offset: segment.at };
    segment.at += bytes;
    segment.regions++;
    segment.unsynced = true;
    return place;
  }

  /** The region is not wanted any more, or was not written. A segment without regions is free. */
  release(segment: Segment): void {
    segment.regions--;
    if (segment.regions === 0 && segment === this.#current) this.#current = null;
  }

  /**
   * Makes all that was written before the call durable. @throws DISK_FAILED: the segments concerned are given up, and no later call says that
   * they are durable: the system tells of a lost write once only. One sync at a time, since another one's success says nothing of this one's writes.
   */
  async sync(): Promise<void> {
    const sync = this.#syncing.then(() => this.#syncAll());
    this.#syncing = sync.catch(() => undefined);
    await sync;
  }

  async #syncAll(): Promise<void> {
    for (const segment of this.segments) {
      if (segment.failed && segment.regions > 0)
        throw new SluiceError('DISK_FAILED', { what: `${segmentPath(segment.number)}: a sync of it has failed` });
      if (segment.failed || !segment.unsynced) continue;
      // What is written while it runs is for the next one.
      segment.unsynced = false;
      try {
        await segment.file.sync();
      } catch (thrown) {
        segment.failed = true;
        if (this.#current === segment) this.#current = null;
        throw thrown;
      }
    }
  }

  async close(): Promise<void> {
    for (const segment of this.segments) await segment.file.close();
  }

  /** A recycled segment, or a new one; its first page says the new use before any region does. */
  async #begin(): Promise<Segment> {
    const { disk, id, cluster, segmentBytes, mayGrow } = this.options;
    let segment = this.segments.find((one) => one.regions === 0 && !one.failed);
    if (!segment) {
      if (!mayGrow(segmentBytes)) throw new SluiceError('NO_SPACE', { what: 'the disk budget of this worker is used up' });
      if ((await disk.free()) < segmentBytes) throw new SluiceError('NO_SPACE', { what: 'the file system has no room for another segment' });
      await disk.makeFolder(segmentFolder);
      const number = this.#nextNumber++;
      const file = await disk.open(segmentPath(number), 'create');
      await file.truncate(segmentBytes);
      segment = { number, file, use: 0, at: pageBytes, regions: 0, unsynced: true, failed: false };
      this.segments.push(segment);
    }
    segment.use = ++this.#use;
    segment.at = pageBytes;
    segment.unsynced = true;
    await segment.file.write(0, encodeSegmentHead({ segment: segment.number, use: segment.use, cluster, directory: id, segmentBytes }));
    return segment;
  }
}
