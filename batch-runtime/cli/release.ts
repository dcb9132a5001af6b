/** The release of this program, from its package.json. */
import { readFileSync } from 'node:fs';

export const release = (): string => {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { name: string; version: string };
      if (found.name === 'sluice') return found.version;
    } catch {
      // A clone has it two folders up, the tarball three.
    }
  }
  return 'unknown';
};
