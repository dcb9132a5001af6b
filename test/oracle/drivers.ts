/** The drivers that every case runs on. */
export const drivers = ['memory', 'local', 'remote'] as const;
export type DriverName = (typeof drivers)[number];
