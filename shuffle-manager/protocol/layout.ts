/**
 * A layout as its readers use it: who won a map in a location, which locations a new attempt writes to, which hold what. The
 * one reading of `Winners`, so that workers, writers and readers cannot differ. Pure; built once per layout and kept with it.
 */
import type { Layout } from './control.ts';
import type { Location, Replica } from './ids.ts';

/** A location chosen for one partition range, with the attempt to be read there. */
export interface Held {
  readonly location: Location;
  readonly attempt: number;
}

export interface LayoutView {
  readonly layout: Layout;
  /** The attempt committed for `map` in that location; -1 when none is: not committed, lost, or committed in another location. */
  winner(map: number, location: number): number;
  /** The replicas of the location that have the map's cell, which is committed there. */
  replicas(map: number, location: number): readonly Replica[];
  /** Maps with at least one partition range that no location holds, ascending. Cost: maps x ranges. */
  vacant(): number[];
  /** Where a new attempt of `map` writes: the newest location of every vacant partition range; all ranges when nothing is committed; none when nothing is vacant. */
  targets(map: number): Location[];
  /** Who holds the committed output of `map`, a location per partition range; null when a range is vacant. */
  holders(map: number): Held[] | null;
}

/** Cost: O(locations + exceptions + lacking); nothing per cell. */
export function viewLayout(layout: Layout): LayoutView {
  const { locations, winners, spec } = layout;
  const exceptions = new Map<number, number>();
  const keyOf = (map: number, location: number) => map * locations.length + location;
  for (const { map, location, attempt } of winners.exceptions) exceptions.set(keyOf(map, location), attempt);
  const lacking = new Map<number, number>();
  for (const { map, location, replica } of winners.lacking ?? []) {
    const key = keyOf(map, location);
    lacking.set(key, (lacking.get(key) ?? 0) | (1 << replica));
  }
  const rowOf = (map: number) => winners.attempts[map - winners.mapFrom] ?? -1;
  const covers = (location: Location, map: number) => location.mapFrom <= map && map < location.mapTo;
  /** Locations of one partition range, oldest first; a shuffle's ranges never change. */
  const ranges = [...Map.groupBy(locations, (location) => location.partitionFrom).values()];

  const winner = (map: number, location: number): number => {
    const where = locations[location];
    if (where === undefined || !covers(where, map)) return -1;
    return exceptions.get(keyOf(map, location)) ?? rowOf(map);
  };
  const holder = (map: number, range: Location[]): Held | null => {
    for (const location of range) {
      const attempt = winner(map, location.id);
      if (attempt >= 0) return { location, attempt };
    }
    return null;
  };
  return {
    layout,
    winner,
    replicas(map, location) {
      const all = locations[location]?.replicas ?? [];
      const without = lacking.size === 0 ? 0 : (lacking.get(keyOf(map, location)) ?? 0);
      return without === 0 ? all : all.filter((_, replica) => (without & (1 << replica)) === 0);
    },
    vacant() {
      const maps: number[] = [];
      for (let map = 0; map < spec.maps; map++) if (rowOf(map) < 0 || ranges.some((range) => holder(map, range) === null)) maps.push(map);
      return maps;
    },
    targets: (map) => ranges.flatMap((range) => (holder(map, range) === null ? (range.findLast((location) => covers(location, map)) ?? []) : [])),
    holders(map) {
      const held = ranges.map((range) => holder(map, range));
      return held.every((one) => one !== null) ? held : null;
    },
  };
}
