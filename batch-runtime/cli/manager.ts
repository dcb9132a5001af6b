/** `sluice manager`: one shuffle manager, the way production starts it. */
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { startManager } from '#manager/main.ts';
import { runProcess } from './process.ts';
import { release } from './release.ts';
import type { Verb } from './verb.ts';

export const verb: Verb = {
  help: `Usage: sluice manager [--config FILE] [--KEY VALUE]... [--explain-config]

Starts one shuffle manager. FILE is JSON; keys may also come as flags (--data-dir /var/lib/sluice) or from the environment
(SLUICE_MANAGER_DATA_DIR). --explain-config prints every key, its value, where it came from and what it is for.

Example: sluice manager --port 7070 --data-dir /var/lib/sluice/manager
`,
  run: (args) =>
    runProcess({
      schema: ManagerConfig,
      prefix: managerPrefix,
      args,
      async start(config) {
        process.title = 'sluice-manager';
        const { url, cluster, secretFile, ended, close } = await startManager(config, release());
        return { says: { url, cluster, secretFile }, ended, close };
      },
    }),
};
